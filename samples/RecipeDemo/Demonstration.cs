using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LocalBroker;

namespace RecipeDemo;

/// <summary>The whole of it, from the broker to the verdict.</summary>
internal static class Demonstration
{
    private const int Clients = 50;
    private const int Rounds = 4;

    /// <summary>Runs it; whether every request got the right answer.</summary>
    public static async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        await using var broker = await ChosenBroker.FindOrStartAsync(cancellationToken);
        Console.WriteLine(broker.Description);
        await using var site = await Site.StartAsync(cancellationToken);
        await using var system = await RunningSystem.StartAsync(broker, cancellationToken);
        Console.WriteLine($"Web service at {system.Http.BaseAddress} and two workers, each a process of its own");
        Console.WriteLine();

        var jobIds = new JobIds();
        var examples = new Measurements();
        await Examples.ShowAsync(new Client(system.Http, site, examples, jobIds), cancellationToken);

        var crowd = new Measurements();
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(client => Task.Run(async () =>
        {
            for (int round = 0; round < Rounds; round++)
                await new Client(system.Http, site, crowd, jobIds).RoundAsync(
                    1 + client + round * Clients, cancellationToken);
        }, cancellationToken)));
        Report(crowd, Stopwatch.GetElapsedTime(start));

        bool linksAreGood = await ShowLinksAsync(system.Http, cancellationToken);
        return Verdict([.. examples.Failures, .. crowd.Failures], examples.AllGood && crowd.AllGood, linksAreGood);
    }

    private static void Report(Measurements crowd, TimeSpan elapsed)
    {
        Console.WriteLine();
        Console.WriteLine(
            $"{Clients} clients at once, {Rounds} rounds each: {crowd.Count} answers in {elapsed.TotalSeconds:0.0} s");
        Console.WriteLine();
        foreach (string line in crowd.Table(Endpoints.All))
            Console.WriteLine(line);
    }

    private static async Task<bool> ShowLinksAsync(HttpClient http, CancellationToken cancellationToken)
    {
        var status = await http.GetFromJsonAsync<JsonNode>("/api/status", cancellationToken);
        Console.WriteLine();
        Console.WriteLine("The service's connections at the end:");
        var links = status?["links"]?.AsArray() ?? [];
        foreach (var link in links)
            Console.WriteLine($"  {link?["name"],-8} {link?["state"]}, connection no. {link?["epoch"]}, "
                + $"{link?["pending_calls"]} calls pending, {link?["late_replies"]} replies that no call waited for");

        // The first connection of each: none was lost on the way.
        return status?["ready"]?.GetValue<bool>() == true && links.All(link => link?["epoch"]?.GetValue<int>() == 1);
    }

    private static bool Verdict(IReadOnlyList<string> failures, bool answersAreGood, bool linksAreGood)
    {
        Console.WriteLine();
        foreach (string failure in failures)
            Console.WriteLine($"  {failure}");
        if (!linksAreGood)
            Console.WriteLine("  a connection was lost on the way, or is not ready");
        bool good = answersAreGood && linksAreGood;
        Console.WriteLine(good ? "OK: every request got its own answer." : "FAILED");
        return good;
    }
}
