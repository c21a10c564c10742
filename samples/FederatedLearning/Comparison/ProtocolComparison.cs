using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using ChildPrograms;
using FederatedLearning.Demo;
using LocalBroker;

namespace FederatedLearning.Comparison;

/// <summary>
/// A server and its clients (<c>MIN_CLIENTS</c>: four) for each protocol, one after the other, each program a process
/// of its own.
/// </summary>
internal static class ProtocolComparison
{
    private static readonly string[] All = ["amqp", "mqtt", "grpc", "quic", "dds"];

    /// <summary>Runs it; whether every protocol that can run here was measured.</summary>
    /// <param name="settings">More settings for server and clients, each <c>NAME=value</c>; <c>PROTOCOLS</c> says which
    /// are compared, <c>FOLDER</c> where the plot goes.</param>
    /// <param name="cancellationToken">Ends everything.</param>
    public static async Task<bool> RunAsync(string[] settings, CancellationToken cancellationToken)
    {
        var given = ProgramSettings.Given(settings);
        string[] protocols = given.Remove("PROTOCOLS", out string? names)
            ? names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            : All;
        string folder = Directory.CreateDirectory(given.Remove("FOLDER", out string? named)
            ? named
            : Path.Combine(Environment.CurrentDirectory, "artifacts", "protocol-comparison")).FullName;
        await using var broker = protocols.Contains("amqp") ? await ChosenBroker.FindOrStartAsync(cancellationToken)
            : null;
        List<Measurement> measured = [];
        bool isComplete = true;
        foreach (string protocol in protocols)
        {
            Console.WriteLine($"{protocol} …");
            var environment = Settings(protocol, Path.Combine(folder, protocol), broker, given);
            var (result, problem) = await MeasureAsync(protocol, environment, cancellationToken);
            if (result is not null)
                measured.Add(result);
            else
                Console.WriteLine($"  not measured: {problem}");
            // What is missing on this machine is said and left out; what fails is a failure.
            isComplete &= result is not null || problem!.Contains("apt-get install", StringComparison.Ordinal);
        }
        if (measured.Count == 0)
            return false;
        Console.WriteLine();
        Console.WriteLine(Measurement.ToTable(measured));
        string plot = Path.Combine(folder, "comparison.svg");
        await File.WriteAllTextAsync(plot, ComparisonPlot.ToSvg(measured), cancellationToken);
        Console.WriteLine($"\n{plot}");
        return isComplete;
    }

    private static async Task<(Measurement? Result, string? Problem)> MeasureAsync(
        string protocol, Dictionary<string, string> environment, CancellationToken cancellationToken)
    {
        string file = Path.Combine(environment["RESULTS_FOLDER"], "results.json");
        File.Delete(file); // what is read below is of this run
        await using var server = ChildProgram.Start("server", "FederatedLearning.Server", [], environment);
        List<ChildProgram> clients = [];
        try
        {
            await server.LineAsync("Waiting for", cancellationToken);
            using var process = Process.GetProcessById(server.Id);
            for (int id = 1; id <= int.Parse(environment["MIN_CLIENTS"], CultureInfo.InvariantCulture); id++)
                clients.Add(StartClient(id, environment));
            await server.LineAsync("Training starts", cancellationToken);
            process.Refresh();
            var before = process.TotalProcessorTime;
            await server.LineAsync("Results written", cancellationToken);
            process.Refresh();
            var results = JsonNode.Parse(await File.ReadAllTextAsync(file, cancellationToken))!;
            return (Measurement.Of(protocol, results, process.TotalProcessorTime - before, process.PeakWorkingSet64),
                null);
        }
        catch (ProgramException)
        {
            string[] said = [.. server.LastLines.Where(line => line.Contains(": ", StringComparison.Ordinal))];
            string? missing = said.FirstOrDefault(line => line.Contains("apt-get install", StringComparison.Ordinal));
            return (null, missing ?? said.LastOrDefault() ?? "the server ended");
        }
        finally
        {
            foreach (var client in clients)
                await client.DisposeAsync();
        }
    }

    private static ChildProgram StartClient(int id, Dictionary<string, string> environment)
    {
        var own = new Dictionary<string, string>(environment)
        {
            ["CLIENT_ID"] = id.ToString(CultureInfo.InvariantCulture),
            ["DATA_SHARE"] = (id - 1).ToString(CultureInfo.InvariantCulture),
        };
        return ChildProgram.Start($"client {id}", "FederatedLearning.Client", [], own);
    }

    // A large model and little data: what is compared is what goes over the wire.
    private static Dictionary<string, string> Settings(
        string protocol, string folder, ChosenBroker? broker, Dictionary<string, string> given)
    {
        var all = new Dictionary<string, string>(ProgramSettings.For(broker, "fl-comparison"))
        {
            ["PROTOCOLS"] = protocol,
            ["PROTOCOL_SELECTION"] = protocol,
            ["MIN_CLIENTS"] = "4",
            ["MODEL"] = "mlp",
            ["HIDDEN_UNITS"] = "1000",
            ["TRAIN_SAMPLES"] = "400",
            ["TEST_SAMPLES"] = "80",
            ["NUM_ROUNDS"] = "5",
            ["CONVERGENCE_PATIENCE"] = "1000",
            ["RESULTS_FOLDER"] = Directory.CreateDirectory(folder).FullName,
            ["EXIT_WHEN_COMPLETE"] = "false",
        };
        foreach (var (key, value) in given)
            all[key] = value;
        all["DATA_SHARES"] = all["MIN_CLIENTS"];
        return all;
    }
}
