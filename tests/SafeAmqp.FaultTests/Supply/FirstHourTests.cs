using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace SafeAmqp.FaultTests.Supply;

// What a new user does, with the packages as they would be published.
[Collection(nameof(Published))]
public sealed class FirstHourTests(PackageFeed packages) : FaultCase
{
    public static TheoryData<string> Packages => [.. PackageFeed.Packages];

    [Fact]
    public async Task From_an_empty_folder_the_commands_of_the_page_lead_to_a_publisher_and_a_consumer_that_run()
    {
        AmqpTestBroker broker = await BrokerAsync();
        (string commands, string program) = Described("A console program");
        Assert.InRange(Regex.Count(commands + "&& dotnet run", "\n|&&"), 1, 5);
        string file = packages.Keep(program.Replace("amqp://guest:guest@localhost:5672/", broker.Uri.ToString(),
            StringComparison.Ordinal));
        string[] orders = [.. Enumerable.Range(0, 100).Select(i => $"order {i}")];

        await using Command running = packages.Bash("", $"{commands}\ncp {file} Program.cs\ndotnet run");
        var printed = new List<string>();
        while (printed.Count < orders.Length)
            printed.Add((await running.LineAsync("^order \\d+$")).Value);
        running.PressEnter();
        await running.EndAsync();

        Assert.Equal(orders.Order(StringComparer.Ordinal), printed.Order(StringComparer.Ordinal));
        Assert.Equal(orders.Order(StringComparer.Ordinal), (await broker.LookAsync(view => view.Published(
            queue: "orders").Select(message => message.Text).ToArray())).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task An_order_goes_from_the_web_service_of_the_page_to_its_worker()
    {
        AmqpTestBroker broker = await BrokerAsync();
        Directory.CreateDirectory(Path.Combine(packages.Folder, "Hello")); // where the first part of the page ends
        var commands = new StringBuilder();
        foreach (string part in (string[])["A web service that publishes", "A worker that consumes"])
        {
            (string made, string program) = Described(part);
            commands.Append($"{made}\ncp {packages.Keep(program)} Program.cs\n");
        }
        await using (Command making = packages.Bash("Hello", commands.ToString()))
            await making.EndAsync();
        string together = PackageFeed.Section("Both together");
        string[] started = [.. PackageFeed.Blocks(together, "bash").Select(command => command
            .Replace("amqp://localhost", broker.Uri.ToString(), StringComparison.Ordinal)
            .Replace("http://localhost:5000", "http://127.0.0.1:0", StringComparison.Ordinal))];

        await using Command worker = packages.Bash("OrderWorker", started[0]);
        await using Command service = packages.Bash("", started[1]);
        string address = (await service.LineAsync("Now listening on: (.*)")).Groups[1].Value;
        using var http = new HttpClient { BaseAddress = new Uri(address), Timeout = Limit };
        Match order = Regex.Match(started[2], "-d '(?<json>.*?)'.* http://[^/]+(?<path>/.*)\n");
        using var json = new StringContent(order.Groups["json"].Value, MediaTypeHeaderValue.Parse("application/json"));
        using HttpResponseMessage answer = await http.PostAsync(order.Groups["path"].Value, json, Cancelled);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);

        string packed = Assert.Single(PackageFeed.Blocks(together, "text")).TrimEnd();
        await worker.LineAsync($"^{Regex.Escape(packed)}$");
        await UntilHealthyAsync(http);
    }

    // What a package page shows, and what a restore follows.
    [Theory, MemberData(nameof(Packages))]
    public void A_package_is_described(string package)
    {
        using ZipArchive zip = ZipFile.OpenRead(packages.FileOf(package));
        using Stream nuspec = zip.GetEntry($"{package}.nuspec")!.Open();
        var described = XDocument.Load(nuspec).Root!.Elements().Single().Elements()
            .ToDictionary(element => element.Name.LocalName, element => element.Value);
        Assert.Equal((package, "MIT", "README.md", "icon.png"),
            (described["id"], described["license"], described["readme"], described["icon"]));
        Assert.All((string[])["LICENSE", described["readme"], described["icon"], $"lib/net10.0/{package}.dll",
            $"lib/net10.0/{package}.xml"], entry => Assert.NotNull(zip.GetEntry(entry)));
        Assert.EndsWith("/CHANGELOG.md", described["releaseNotes"], StringComparison.Ordinal);
        Assert.True(described["description"].Length > 40 && described["tags"].Contains("rabbitmq"), package);
    }

    private static (string Commands, string Program) Described(string part)
    {
        string text = PackageFeed.Section(part);
        return (Assert.Single(PackageFeed.Blocks(text, "bash")).TrimEnd(),
            Assert.Single(PackageFeed.Blocks(text, "csharp")));
    }

    private static async Task UntilHealthyAsync(HttpClient http)
    {
        long start = TimeProvider.System.GetTimestamp();
        string health;
        while ((health = await HealthAsync()) != "Healthy")
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Limit, $"/ready says {health}");
            await Task.Delay(50, Cancelled);
        }

        async Task<string> HealthAsync()
        {
            using HttpResponseMessage answer = await http.GetAsync("/ready", Cancelled);
            return await answer.Content.ReadAsStringAsync(Cancelled);
        }
    }
}
