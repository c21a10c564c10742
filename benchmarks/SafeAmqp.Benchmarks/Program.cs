using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using LocalBroker;
using SafeAmqp.Benchmarks;
using SafeAmqp.Benchmarks.Contenders;
using SafeAmqp.Benchmarks.Measuring;
using SafeAmqp.Benchmarks.Reporting;

if (args is ["parts", ..])
{
    // dotnet run -c Release --project benchmarks/SafeAmqp.Benchmarks -- parts [BenchmarkDotNet's own arguments, such as
    // --filter *Ledger*]
    BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(typeof(Comparisons).Assembly)
        .Run(args.Length == 1 ? ["--filter", "*"] : args[1..]);
    return 0;
}

if (args is [Companion.Argument, var role])
{
    await Companion.RunAsync(role);
    return 0;
}

// dotnet run -c Release --project benchmarks/SafeAmqp.Benchmarks [-- name …] [--rounds N] [--seconds S] [--clients 2,4]
// [--out folder]
//            -c Release --project benchmarks/SafeAmqp.Benchmarks -- --telemetry      what being watched costs
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Contains("--telemetry"))
{
    TelemetryCost.Run();
    return 0;
}
int rounds = Number("--rounds", 5);
int seconds = Number("--seconds", 2);
string[] names = [.. args.Where((arg, i) => !arg.StartsWith("--", StringComparison.Ordinal)
    && (i == 0 || !args[i - 1].StartsWith("--", StringComparison.Ordinal)))];
IReadOnlyList<Comparison> all = Comparisons.All([.. (Text("--clients") ?? "2,4").Split(',').Select(int.Parse)]);
Comparison[] chosen = [.. all.Where(comparison => names.Length == 0 || names.Contains(comparison.Name))];
Bound[] bounds = [.. Bounds.All.Where(bound => names.Length == 0 || names.Contains(bound.Name))];
if (chosen.Length == 0 && bounds.Length == 0)
{
    IEnumerable<string> known = all.Select(comparison => comparison.Name)
        .Concat(Bounds.All.Select(bound => bound.Name));
    Console.Error.WriteLine($"There is no such comparison. Choose from: {string.Join(", ", known)}.");
    return 1;
}

await using RabbitMqBroker broker = await RabbitMqBroker.FindOrStartAsync(new RabbitMqBrokerOptions
{
    Node = new PrivateRabbitMqNodeOptions { Schedulers = Environment.ProcessorCount },
});
string machine = $"{Environment.ProcessorCount} cores, "
    + $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription}, "
    + "RabbitMQ.Client "
    + $"{FileVersionInfo.GetVersionInfo(typeof(RabbitMQ.Client.IChannel).Assembly.Location).FileVersion}, "
    + $"broker {broker.Origin}; "
    + $"{rounds} rounds of {seconds} s, contenders in turn within a round, ratios within a round, medians (min–max)";
var outcomes = new List<Outcome>();
foreach (Comparison comparison in chosen)
{
    outcomes.Add(await CompareAsync(comparison));
    Console.WriteLine(Tables.Comparison(outcomes[^1]));
}
var held = new List<(Bound Bound, double Value)>();
foreach (Bound bound in bounds)
{
    Console.Error.Write($"\r{bound.Name}: {bound.What,-70}");
    held.Add((bound, await bound.MeasureAsync(broker.Uri)));
    Console.Error.Write($"\r{"",-100}\r");
}
string summary = Tables.Summary(outcomes, held, machine);
Console.WriteLine(summary);
if (Text("--out") is { } folder)
{
    Directory.CreateDirectory(folder);
    await File.WriteAllTextAsync(
        Path.Combine(folder, "results.md"), summary + "\n" + string.Join("\n", outcomes.Select(Tables.Comparison)));
    await File.WriteAllTextAsync(Path.Combine(folder, "results.svg"), Plot.Svg(outcomes));
}
return 0;

async Task<Outcome> CompareAsync(Comparison comparison)
{
    Contender[] contenders = [.. comparison.Contenders.Select(make => make())];
    var measured = contenders.Select(contender => (contender.Name, Rounds: new List<Measurement>())).ToArray();
    foreach (Contender contender in contenders)
    {
        await contender.ConnectAsync(broker.Uri, comparison.Workload);
        Progress(comparison, "warm-up", contender);
        await contender.MeasureAsync(comparison.Workload, TimeSpan.FromSeconds(1));
    }
    for (int round = 0; round < rounds; round++)
    {
        for (int i = 0; i < contenders.Length; i++)
        {
            Progress(comparison, $"round {round + 1} of {rounds}", contenders[i]);
            measured[i].Rounds
                .Add(await contenders[i].MeasureAsync(comparison.Workload, TimeSpan.FromSeconds(seconds)));
        }
    }
    foreach (Contender contender in contenders)
        await contender.DisposeAsync();
    Console.Error.Write($"\r{"",-100}\r");
    return new Outcome(comparison, [.. measured.Select(one => (one.Name, (IReadOnlyList<Measurement>)one.Rounds))]);
}

void Progress(Comparison comparison, string what, Contender contender)
    => Console.Error.Write($"\r[{outcomes.Count + 1}/{chosen.Length}] {comparison.Name}, {what}: {contender.Name,-50}");

string? Text(string name) => Array.IndexOf(args, name) is var at and >= 0 && at + 1 < args.Length ? args[at + 1] : null;

int Number(string name, int otherwise) => int.TryParse(Text(name), out int value) && value > 0 ? value : otherwise;
