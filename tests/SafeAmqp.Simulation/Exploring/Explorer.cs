using System.Diagnostics;
using SafeAmqp.Simulation.Runs;
using Trace = SafeAmqp.Simulation.Runs.Trace;

namespace SafeAmqp.Simulation.Exploring;

/// <summary>What running a plan came to.</summary>
/// <param name="Violation">What was broken; <see langword="null"/> when every promise held.</param>
/// <param name="Trace">The run.</param>
internal sealed record Verdict(string? Violation, Trace Trace);

/// <summary>
/// Runs plans, one seed after the other on every core, until so many publishes were made or a promise was broken.
/// </summary>
internal static class Explorer
{
    /// <summary>Seeds that one core takes at a time.</summary>
    private const int Block = 32;

    internal static Verdict Run(Plan plan, Counts? counts = null)
    {
        var world = new World(plan, counts ?? new Counts());
        try
        {
            world.Run();
            return new Verdict(null, world.Trace);
        }
        catch (Exception error)
        {
            return new Verdict(error is Checking.ViolationException ? error.Message : error.ToString(), world.Trace);
        }
    }

    /// <summary>Explores seeds from the first on.</summary>
    /// <param name="firstSeed">The first.</param>
    /// <param name="publishes">How many messages to pass on, about.</param>
    /// <param name="cores">How many cores to use.</param>
    /// <param name="failures">After how many seeds that broke a promise to stop.</param>
    internal static Exploration Explore(int firstSeed, long publishes, int cores, int failures = 1)
    {
        var watch = Stopwatch.StartNew();
        var gate = new Lock();
        var total = new Counts();
        var failing = new SortedDictionary<int, Verdict>();
        int next = firstSeed, seeds = 0;

        void Work()
        {
            while (true)
            {
                int from = Interlocked.Add(ref next, Block) - Block;
                var counts = new Counts();
                for (int seed = from; seed < from + Block; seed++)
                {
                    Verdict verdict = Run(new Plan(seed), counts);
                    if (verdict.Violation is null)
                        continue;
                    lock (gate)
                        failing.Add(seed, verdict);
                    if (failures == 1)
                        break;
                }
                lock (gate)
                {
                    total.Add(counts);
                    seeds += Block;
                    if (failing.Count >= failures || total["publishes"] >= publishes)
                        return;
                }
            }
        }

        Thread[] threads = [.. Enumerable.Range(0, cores).Select(_ => new Thread(Work))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        return new Exploration(
            seeds, total, watch.Elapsed, [.. failing.Select(pair => (new Plan(pair.Key), pair.Value))]);
    }

    /// <summary>What a mutant is judged by: called in its own load context, by name.</summary>
    /// <returns>The first violation; <see langword="null"/> when there is none among so many publishes.</returns>
    internal static string? FirstViolation(long publishes)
    {
        if (Checking.Parts.FirstViolation() is { } wrong)
            return wrong;
        foreach (var (plan, _) in KeptPlans.All)
        {
            if (Run(plan).Violation is { } violation)
                return violation;
        }
        Exploration exploration = Explore(firstSeed: 1, publishes, cores: 1);
        return exploration.Failing is [(var failing, var verdict), ..]
            ? $"seed {failing.Seed}: {verdict.Violation}"
            : null;
    }
}

/// <summary>What exploring came to.</summary>
internal sealed record Exploration(
    int Seeds, Counts Counts, TimeSpan Took, IReadOnlyList<(Plan Plan, Verdict Verdict)> Failing);
