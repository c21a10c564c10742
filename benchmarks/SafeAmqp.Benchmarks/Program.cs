using System.Globalization;
using System.Runtime.InteropServices;
using LocalBroker;
using SafeAmqp.Benchmarks;

// dotnet run -c Release --project benchmarks/SafeAmqp.Benchmarks [-- callers …] [--rounds N] [--seconds S]
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
int rounds = Option("--rounds", 5);
double seconds = Option("--seconds", 2);
int[] callerCounts = [.. args.Where((arg, i) => int.TryParse(arg, out _) && (i == 0 || !args[i - 1].StartsWith("--", StringComparison.Ordinal))).Select(int.Parse)];
if (callerCounts.Length == 0)
    callerCounts = [1, 100, 10_000];

await using RabbitMqBroker broker = await RabbitMqBroker.FindOrStartAsync(new RabbitMqBrokerOptions
{
    Node = new PrivateRabbitMqNodeOptions { Schedulers = Environment.ProcessorCount, BusyWait = false },
});
Console.WriteLine($"Confirmed publish of {Contender.BodySize} B, not mandatory, not persistent, to an exchange without bindings.");
Console.WriteLine($"{Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.OSDescription}; broker {broker.Origin}");
Console.WriteLine($"Median of {rounds} rounds of {seconds} s, contenders in turn within each round; ratios are taken within a round.");
foreach (int callers in callerCounts)
    await CompareAsync(callers);
return 0;

async Task CompareAsync(int callers)
{
    Contender[] all = [new SafeAmqpContender(), new RabbitMqClientContender(channelPerCaller: false), new RabbitMqClientContender(channelPerCaller: true)];
    Contender[] contenders = [.. all.Where(contender => callers <= contender.MaxCallers)];
    var measured = contenders.ToDictionary(contender => contender, _ => new List<Measurement>());
    foreach (Contender contender in contenders)
    {
        await contender.ConnectAsync(broker.Uri, callers);
        await Load.RunAsync(contender, callers, TimeSpan.FromSeconds(1)); // warm-up
    }
    for (int round = 0; round < rounds; round++)
    {
        foreach (Contender contender in contenders)
        {
            Console.Error.Write($"\r{callers} callers, round {round + 1} of {rounds}: {contender.Name,-40}");
            measured[contender].Add(await Load.RunAsync(contender, callers, TimeSpan.FromSeconds(seconds)));
        }
    }
    Console.Error.Write($"\r{"",-80}\r");
    Console.WriteLine();
    Console.WriteLine($"| {callers} callers | messages/s | CPU µs/message | allocated B/message | SafeAmqp is … times as fast (min–max) |");
    Console.WriteLine("|---|---:|---:|---:|---:|");
    foreach (Contender contender in contenders)
    {
        List<Measurement> own = measured[contender];
        double[] ratios = [.. measured[contenders[0]].Zip(own, (ours, theirs) => ours.PerSecond / theirs.PerSecond).Order()];
        string ratio = contender == contenders[0] ? "" : $"{Median(ratios):0.00} ({ratios[0]:0.00}–{ratios[^1]:0.00})";
        Console.WriteLine($"| {contender.Name} | {Median(own.Select(m => m.PerSecond)):N0} | {Median(own.Select(m => m.CpuMicroseconds)):0.0} | {Median(own.Select(m => m.AllocatedBytes)):N0} | {ratio} |");
    }
    foreach (Contender left in all.Except(contenders))
        Console.WriteLine($"| {left.Name} | – | – | – | a connection has {left.MaxCallers:N0} channels |");
    foreach (Contender contender in contenders)
        await contender.DisposeAsync();
}

static double Median(IEnumerable<double> values)
{
    double[] sorted = [.. values.Order()];
    return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
}

int Option(string name, int otherwise)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length && int.TryParse(args[at + 1], out int value) && value > 0 ? value : otherwise;
}
