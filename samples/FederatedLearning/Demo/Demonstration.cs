using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ChildPrograms;
using FederatedLearning.Amqp;
using FederatedLearning.Dds;
using FederatedLearning.Grpc;
using FederatedLearning.Mqtt;
using FederatedLearning.Quic;
using LocalBroker;

namespace FederatedLearning.Demo;

/// <summary>The whole of it, from the broker to the verdict.</summary>
internal static partial class Demonstration
{
    /// <summary>What the trained model has to reach on data held out from training.</summary>
    private const double Goal = 0.95;

    private const string Listening = "Now listening on: ";

    private static readonly string[] Progress =
        ["Server started", "samples to train on", "Training ", "complete: loss", ": training_complete",
            "Sent training_complete", "Results written"];

    // A client of each kind, two of AMQP's: those that can run here train together.
    private static readonly (string Id, string Protocol, string Way, Func<string?> FindMissing)[] All =
    [
        ("1", AmqpProtocolHandler.ProtocolName, "broadcast", () => null),
        ("2", AmqpProtocolHandler.ProtocolName, "unified", () => null),
        ("3", MqttProtocolHandler.ProtocolName, "", () => null),
        ("4", GrpcProtocolHandler.ProtocolName, "", () => null),
        ("5", QuicProtocolHandler.ProtocolName, "", () => QuicProtocolHandler.FindMissing(
            QuicSettings.From(Environment.GetEnvironmentVariable))),
        ("6", DdsProtocolHandler.ProtocolName, "", DdsProtocolHandler.FindMissing),
    ];

    /// <summary>Runs it; whether the training was completed and reached the goal.</summary>
    /// <param name="settings">More settings for server and clients, each <c>NAME=value</c>.</param>
    /// <param name="cancellationToken">Ends everything.</param>
    public static async Task<bool> RunAsync(string[] settings, CancellationToken cancellationToken)
    {
        await using var broker = await ChosenBroker.FindOrStartAsync(cancellationToken);
        Console.WriteLine(broker.Description);
        var members = Members();
        var environment = Settings(broker, members, settings);
        string results = Path.Combine(environment["RESULTS_FOLDER"], "results.json");
        File.Delete(results); // what is read below is of this run

        await using var server = ChildProgram.Start(
            "server", "FederatedLearning.Server", [], environment, line => Print("server", line));
        string address = await server.LineAsync(Listening, cancellationToken);
        Console.WriteLine($"{"",10} Look at the training: "
            + $"{address[(address.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..].Trim()}");
        var clients =
            members.Select((member, index) => StartClient(member, index, environment)).ToList();
        try
        {
            int[] codes = await Task.WhenAll(
                clients.Prepend(server).Select(program => program.EndAsync(cancellationToken)));
            return Verdict(codes, results, members);
        }
        finally
        {
            await Task.WhenAll(clients.Select(client => client.DisposeAsync().AsTask()));
        }
    }

    // The members that can take part on this machine; for the others it prints why they cannot.
    private static List<Member> Members()
    {
        List<Member> members = [];
        foreach (var (id, protocol, way, findMissing) in All)
        {
            if (findMissing() is { } missing) Console.WriteLine($"{protocol} does not take part: {missing}");
            else members.Add(new Member(id, protocol, way));
        }
        return members;
    }

    private sealed record Member(string Id, string Protocol, string Way);

    private static ChildProgram StartClient(
        Member client, int index, IReadOnlyDictionary<string, string> environment)
    {
        var own = new Dictionary<string, string>(environment)
        {
            ["CLIENT_ID"] = client.Id,
            ["CLIENT_WAY"] = client.Way,
            ["PROTOCOL_SELECTION"] = client.Protocol,
            ["DATA_SHARE"] = index.ToString(CultureInfo.InvariantCulture),
        };
        return ChildProgram.Start(
            $"client {client.Id}", "FederatedLearning.Client", [], own, line => Print($"client {client.Id}", line));
    }

    private static Dictionary<string, string> Settings(
        ChosenBroker broker, List<Member> members, string[] settings)
    {
        string count = members.Count.ToString(CultureInfo.InvariantCulture);
        var all = new Dictionary<string, string>(ProgramSettings.For(broker, "fl-demo"))
        {
            ["PROTOCOLS"] = string.Join(',', members.Select(member => member.Protocol).Distinct()),
            ["MIN_CLIENTS"] = count,
            ["DATA_SHARES"] = count,
            ["NUM_ROUNDS"] = "15",
            ["ROUND_DEADLINE_SECONDS"] = "60",
            ["EVALUATION_DEADLINE_SECONDS"] = "60",
            ["RESULTS_FOLDER"] = Directory.CreateDirectory(Path.Combine(
                Environment.CurrentDirectory, "artifacts", "federated-learning")).FullName,
            ["EXIT_WHEN_COMPLETE"] = "true",
            ["DOTNET_TieredPGO"] = "0",
        };
        foreach (var (name, value) in ProgramSettings.Given(settings))
            all[name] = value;
        return all;
    }

    private static bool Verdict(int[] codes, string file, List<Member> members)
    {
        Console.WriteLine();
        int failed = codes.Count(code => code != 0);
        if (failed > 0)
            Console.WriteLine($"  {failed} of {codes.Length} programs ended with an error");
        var result = File.Exists(file) ? JsonNode.Parse(File.ReadAllText(file)) : null;
        double accuracy = result?["final_accuracy"]?.GetValue<double>() ?? 0;
        string completion = result?["completion"]?.GetValue<string>() ?? "not completed";
        int rounds = result?["rounds_completed"]?.GetValue<int>() ?? 0;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"  {rounds} rounds, {completion}; accuracy on held-out data {accuracy:0.00 %}, goal {Goal:0 %}"));
        // As many updates as there are members in each round: all of them took part in all of it.
        bool all = result?["rounds"]?.AsArray()
            .All(round => round!["updates"]!.GetValue<int>() == members.Count) ?? false;
        Console.WriteLine($"  {string.Join(", ", members.Select(member => member.Protocol).Distinct())}: "
            + (all ? "each took part in every round" : "not all took part in every round"));
        Console.WriteLine($"  {file} and results.svg beside it");
        bool good = failed == 0 && all && accuracy > Goal
            && completion is "converged" or "clients_converged" or "round_limit";
        Console.WriteLine(good ? "OK: training_complete." : "FAILED");
        return good;
    }

    // Of all that the programs log only what shows the progress, and whatever is no good.
    private static void Print(string name, string line)
    {
        var parts = LogLine().Match(line);
        string text = parts.Success ? parts.Groups["text"].Value : line;
        if (!parts.Success || parts.Groups["level"].Value != "info"
            || Progress.Any(words => text.Contains(words, StringComparison.Ordinal)))
            Console.WriteLine($"{name,-10} {text}");
    }

    [GeneratedRegex(@"^(?<level>trce|dbug|info|warn|fail|crit): [^\[]+\[\d+\] (?<text>.*)$")]
    private static partial Regex LogLine();
}
