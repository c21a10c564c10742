using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ChildPrograms;
using FederatedLearning.Amqp;
using FederatedLearning.Messages;
using FederatedLearning.Tests.Support;

namespace FederatedLearning.Tests.WithBroker;

public sealed class PageTests(Node node)
{
    private static readonly TimeSpan RoundTakes = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task A_browser_that_loads_the_page_during_a_training_sees_a_round_advance()
    {
        string program = Path.Combine(Repository.NodeFolder("tests", "FederatedLearning.Tests", "Browser"), "look.js");
        Repository.Need(
            File.Exists(Environment.GetEnvironmentVariable("CHROMIUM") ?? "/usr/bin/chromium"),
            "There is no Chromium here to look at the page with (apt-get install chromium).");
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 1000, minClients: 3);
        // Rounds that last, so that there is something to see until the browser has seen it.
        Task WaitAsync(int round, CancellationToken end) => Task.Delay(RoundTakes, end);
        training.Join("1", ClientWay.Broadcast, new SteppingLearner(120, 1) { InTheMiddle = WaitAsync });
        training.Join("2", ClientWay.Unified, new SteppingLearner(200, 2.5f));
        training.Join("3", ClientWay.Broadcast, new SteppingLearner(80, 7));

        string folder = Directory.CreateTempSubdirectory("fl-page-").FullName;
        await using var browser = ChildProgram.StartProgram(
            "browser", "node", [program, training.Page.ToString(), folder], new Dictionary<string, string>());
        int code = await browser.EndAsync(TestContext.Current.CancellationToken);
        Assert.True(code == 0, string.Join('\n', browser.LastLines));

        var seen = JsonNode.Parse(browser.LastLines[^1])!;
        TestContext.Current.TestOutputHelper?.WriteLine($"{seen.ToJsonString()}\n{Path.Combine(folder, "page.png")}");
        Assert.Empty(seen["wrong"]!.AsArray()); // no error in the page, nothing asked from elsewhere
        Assert.True(Number("after", "round") > Number("before", "round"));
        Assert.True(Number("after", "rows") > Number("before", "rows"));
        Assert.True(Number("after", "points") >= 2);
        Assert.Equal(3, Number("after", "clients"));
        Assert.Equal(2, Number("after", "open")); // both links
        Assert.Equal("live", seen["after"]!["live"]!.GetValue<string>());

        int Number(string when, string name)
            => int.Parse(seen[when]![name]!.ToString(), System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task The_results_are_there_as_JSON_and_as_a_plot_and_in_files_with_the_trained_model()
    {
        await using var place = await node.NewPlaceAsync();
        string folder = Directory.CreateTempSubdirectory("fl-results-").FullName;
        await using var training = await TrainingSession.StartAsync(
            place, rounds: 3, minClients: 2, settings: ("RESULTS_FOLDER", folder));
        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1));
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        await training.CompleteAsync();

        await Until.TrueAsync(
            () => Task.FromResult(File.Exists(Path.Combine(folder, "results.json"))), "the results are written");
        using var http = new HttpClient { BaseAddress = training.Page };
        var served = await http.GetFromJsonAsync<JsonNode>("results.json", TestContext.Current.CancellationToken);
        var written = JsonNode.Parse(
            await File.ReadAllTextAsync(Path.Combine(folder, "results.json"), TestContext.Current.CancellationToken));
        Assert.Equal("round_limit", written!["completion"]!.GetValue<string>());
        Assert.Equal(3, written["rounds"]!.AsArray().Count);
        Assert.Equal(30, written["rounds"]![0]!["samples"]!.GetValue<int>());
        Assert.Equal(served!["rounds"]!.ToJsonString(), written["rounds"]!.ToJsonString());
        string plot = await File.ReadAllTextAsync(
            Path.Combine(folder, "results.svg"), TestContext.Current.CancellationToken);
        string shown = await http.GetStringAsync("results.svg", TestContext.Current.CancellationToken);
        Assert.Equal(CurvesOf(plot), CurvesOf(shown));
        Assert.Equal(6, CurvesOf(plot).Count); // three rounds, two curves
        Assert.Contains("amqp: 2 clients, ", plot, StringComparison.Ordinal); // and what has gone over it till then
        // Each of three rounds adds the mean of the steps by samples: (10 * 1 + 20 * 2.5) / 30.
        var model = Assert.IsType<GlobalModel>(ServerJson.Read(
            await File.ReadAllBytesAsync(Path.Combine(folder, "model.json"), TestContext.Current.CancellationToken)));
        Assert.Equal(3, model.Round);
        Assert.Equal("stepping", model.ModelConfig!.Kind);
        Assert.All(model.Weights.Values.ToArray(), value => Assert.Equal(6, value, 1e-5f));
    }

    private static List<string> CurvesOf(string plot)
        => [.. System.Xml.Linq.XDocument.Parse(plot).Descendants()
            .Where(element => element.Name.LocalName == "circle").Select(element => element.ToString())];
}
