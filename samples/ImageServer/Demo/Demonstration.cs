using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ImageServer.Local;
using ImageServer.Protocol;
using ImageServer.Server.Images;
using ImageWorkers.Painting;

namespace ImageServer.Demo;

/// <summary>The whole of it, from the broker to the verdict.</summary>
internal static class Demonstration
{
    private const int Clients = 50;
    private const string Prompt = "three red boats on a blue sea";
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>Runs it; whether every client got its own pictures and the server counted right.</summary>
    /// <param name="folder">Where a picture of each mode is written to.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task<bool> RunAsync(string folder, CancellationToken cancellationToken)
    {
        using var files = await SampleFiles.MakeAsync(cancellationToken);
        byte[] sitePicture = (await new Painter().DrawAsync("a big yellow sun over the desert", 0, cancellationToken))
            .ToArray();
        await using var site = await Site.StartAsync(sitePicture, cancellationToken);
        var ledger = new ConnectionLedger();
        await using var system = await LocalSystem.StartAsync(workers: 2, new Dictionary<string, string>
        {
            ["PATHS"] = files.Folder,
            ["SHOWURL_HOSTS"] = site.Host,
            ["SHOWURL_INTERNAL_HOSTS"] = site.Host, // it is on this machine
        }, ledger.Take, cancellationToken);
        Console.WriteLine(system.Broker);
        Console.WriteLine(
            $"Image server at 127.0.0.1:{system.Port} and two workers, each a process of its own; "
            + $"live page at {system.Page}");

        var expected = new ExpectedPictures(files, sitePicture);
        int shown = await ShowModesAsync(system.Port, folder, cancellationToken);
        var (measurements, connections) = await CrowdAsync(system.Port, expected, site, cancellationToken);
        var state = await UntilAllLeftAsync(system, ledger, cancellationToken);
        return Verdict(measurements, ledger, state, connections + shown);
    }

    private static async Task<int> ShowModesAsync(int port, string folder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        var screens = new List<byte[]>();
        using var connection = await ImageConnection.ConnectAsync("127.0.0.1", port, cancellationToken);
        foreach (var mode in ModeFormat.Modes)
        {
            if (await connection.AskAsync(
                $"gfx {(int)mode} gen {Prompt}", cancellationToken) is not ReceivedAnswer.Picture picture)
                throw new InvalidOperationException($"No picture in mode {mode}.");
            string file = Path.Combine(folder, $"mode-{(int)mode}.png");
            screens.Add(Screen.ToPng(picture.Content));
            await File.WriteAllBytesAsync(file, screens[^1], cancellationToken);
            Console.WriteLine($"  {mode,-10} \"{Prompt}\", {picture.Bytes.Length} bytes: {file}");
        }

        await File.WriteAllBytesAsync(Path.Combine(folder, "modes.png"), ContactSheet.Of(screens), cancellationToken);
        await connection.SendAsync("quit", cancellationToken);
        return 1;
    }

    private static async Task<(Measurements Measurements, int Connections)> CrowdAsync(
        int port, ExpectedPictures expected, Site site, CancellationToken cancellationToken)
    {
        var measurements = new Measurements();
        long start = Stopwatch.GetTimestamp();
        var visitors = Enumerable.Range(0, Clients)
            .Select(number => new Visitor(number, port, expected, site, measurements)).ToList();
        await Task.WhenAll(
            visitors.Select(
            visitor => Task.Run(() => visitor.VisitAsync(Duration, cancellationToken), cancellationToken)));
        int connections = visitors.Sum(visitor => visitor.Connections);
        Console.WriteLine();
        Console.WriteLine(
            $"{Clients} clients that come and go at once: {connections} connections, "
            + $"{measurements.Count} answers in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s");
        Console.WriteLine();
        foreach (string line in measurements.Table())
            Console.WriteLine(line);
        return (measurements, connections);
    }

    private static async Task<JsonNode> UntilAllLeftAsync(
        LocalSystem system, ConnectionLedger ledger, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = system.Page };
        while (true)
        {
            var state = await http.GetFromJsonAsync<JsonNode>("/api/state", cancellationToken) ?? new JsonObject();
            if (ledger.Current == 0 && Number(state, "connections") == 0 && state["line"]?.AsArray().Count == 0)
                return state;
            await Task.Delay(LookEvery, cancellationToken);
        }
    }

    private static bool Verdict(Measurements measurements, ConnectionLedger ledger, JsonNode state, int connections)
    {
        Console.WriteLine();
        Console.WriteLine(
            $"The server counted {ledger.Started} connections, {ledger.Most} at most at once, "
            + $"{ledger.Current} at the end; it sent {state["pictures_shown"]} pictures.");
        List<string> failures = [
            .. measurements.Failures, .. measurements.Missing(Visitor.Commands)
            .Select(command => $"{command}: never answered")];
        if (ledger.Wrong is { } wrong)
            failures.Add(wrong);
        if (ledger.Started != connections || Number(state, "clients_seen") != connections)
            failures.Add($"there were {connections} connections, the server counted {ledger.Started}");
        foreach (string failure in failures)
            Console.WriteLine($"  {failure}");
        Console.WriteLine(
            failures.Count == 0
            ? "OK: every client got its own pictures, and the count of connections was right at every step."
            : "FAILED");
        return failures.Count == 0;
    }

    private static int Number(JsonNode state, string name) => state[name]?.GetValue<int>() ?? -1;
}
