using System.Diagnostics;
using System.Globalization;

namespace SafeAmqp.Tests.Simulation;

/// <summary>
/// Thousands of seeded runs of the actor against a simulated broker. <c>SAFEAMQP_SIMULATION_SEEDS=100000</c> runs so many,
/// <c>SAFEAMQP_SIMULATION_SEED=4711</c> one alone.
/// </summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const int DefaultSeeds = 8_000;

    /// <summary>What must have happened in the runs together: a run in which nothing goes wrong proves nothing.</summary>
    private static readonly Dictionary<string, int> PerThousandSeeds = new()
    {
        ["Confirmed"] = 5_000,
        ["Unknown"] = 500,
        ["Returned"] = 300,
        ["Nacked"] = 100,
        ["Refused"] = 300,
        ["NotSent"] = 500,
        ["Cancelled"] = 500,
        ["Replied"] = 500,
        ["NoReplyToConfirmed"] = 20,
        ["NoReplyToUnknown"] = 20,
        ["RemoteFault"] = 20,
        ["Posted"] = 500,
        ["links lost"] = 500,
        ["brokers frozen"] = 100,
        ["links blocked"] = 200,
        ["busy channels"] = 500,
        ["republished"] = 100,
        ["channels closed by the broker"] = 500,
        ["publishes that found their channel closed"] = 5,
        ["consumers cancelled by the broker"] = 100,
        ["settled"] = 5_000,
        ["joined acks"] = 20,
        ["stale settlements"] = 100,
        ["late replies"] = 50,
        ["signals of channels that are gone"] = 500,
        ["waits for credit"] = 500,
        ["exchanges found missing beforehand"] = 100,
    };

    [Fact]
    public void The_promises_hold_in_every_simulated_run()
    {
        var counts = new Dictionary<string, long>();
        if (Number("SAFEAMQP_SIMULATION_SEED") is { } one)
        {
            Trace trace = Run(one, counts);
            output.WriteLine(trace.ToString());
            return;
        }
        int seeds = Number("SAFEAMQP_SIMULATION_SEEDS") ?? DefaultSeeds;
        int first = Number("SAFEAMQP_SIMULATION_FIRST") ?? 1;
        var watch = Stopwatch.StartNew();
        for (int seed = first; seed < first + seeds; seed++)
            Run(seed, counts);
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seeds} seeds, {seeds / watch.Elapsed.TotalSeconds:0} per second"));
        foreach (var (what, count) in counts.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count,10} {what}"));
        foreach (var (what, atLeast) in PerThousandSeeds)
            Assert.True(counts.GetValueOrDefault(what) >= (long)atLeast * seeds / 1000, $"only {counts.GetValueOrDefault(what)} times in {seeds} seeds: {what}");
    }

    [Fact]
    public void The_same_seed_gives_the_same_history()
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            Trace first = Run(seed, []), second = Run(seed, []);
            Assert.Equal((first.Hash, first.Count), (second.Hash, second.Count));
            Assert.NotEqual(first.Hash, Run(seed + 1000, []).Hash);
        }
    }

    private static Trace Run(int seed, Dictionary<string, long> counts)
    {
        var simulation = new Simulation(seed, counts);
        try
        {
            simulation.Run();
            return simulation.Trace;
        }
        catch (Exception error)
        {
            throw new InvalidOperationException($"Seed {seed}: {error.Message}\n{simulation.Trace}", error);
        }
    }

    private static int? Number(string variable)
        => int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
}
