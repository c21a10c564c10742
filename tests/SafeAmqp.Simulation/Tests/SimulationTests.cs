using System.Globalization;
using SafeAmqp.Simulation.Exploring;
using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Tests;

/// <summary>
/// Seeded runs of the actor against a simulated broker, a million publishes. <c>SAFEAMQP_SIMULATED_PUBLISHES</c> makes
/// it other numbers.
/// </summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const long DefaultPublishes = 1_000_000;

    /// <summary>
    /// What must have happened among a thousand publishes: a run in which nothing goes wrong proves nothing.
    /// </summary>
    private static readonly Dictionary<string, double> PerThousandPublishes = new()
    {
        ["Confirmed"] = 200,
        ["Unknown"] = 20,
        ["Returned"] = 15,
        ["Nacked"] = 20,
        ["Refused"] = 15,
        ["NotSent"] = 50,
        ["Cancelled"] = 15,
        ["Disposed"] = 15,
        ["Posted"] = 25,
        ["Replied"] = 30,
        ["RemoteFault"] = 1,
        ["NoReplyToConfirmed"] = 1,
        ["NoReplyToUnknown"] = 1,
        ["republished"] = 5,
        ["links opened"] = 10,
        ["links lost"] = 5,
        ["links closed by the broker"] = 4,
        ["brokers frozen"] = 2,
        ["brokers restarted"] = 0.7,
        ["processes starved"] = 0.7,
        ["links that the broker ceased to read"] = 0.3,
        ["channels that the broker lost track of"] = 0.3,
        ["users refused"] = 0.7,
        ["links blocked"] = 3,
        ["busy channels"] = 7,
        ["channels closed by the broker"] = 15,
        ["publishes that found their channel closed"] = 0.1,
        ["signals of channels that are gone"] = 30,
        ["multiple answers"] = 100,
        ["storms of nacks"] = 0.4,
        ["leaders lost"] = 2,
        ["nacks by a channel that names a dead leader"] = 3,
        ["exchanges found missing beforehand"] = 8,
        ["consumers cancelled by the broker"] = 2,
        ["settled"] = 200,
        ["joined acks"] = 0.3,
        ["stale settlements"] = 7,
        ["late replies"] = 2,
        ["waits for credit"] = 100,
        ["replies"] = 50,
        ["requests that came again"] = 5,
        ["channels closed over a reply"] = 0.5,
        ["faults for refused replies"] = 0.2,
        ["replies that failed"] = 5,
        ["read from streams"] = 300,
        ["streams read on from the first that was not settled"] = 8,
        ["streams that were gone"] = 2,
    };

    [Fact]
    public void The_promises_hold_in_every_simulated_run()
    {
        Exploration exploration = Explorer.Explore(firstSeed: 1, Publishes(), Environment.ProcessorCount);
        output.WriteLine(Report.Of(exploration));
        Assert.True(
            exploration.Failing.Count == 0,
            exploration.Failing is [var (plan, verdict), ..] ? Shrinker.Report(plan, verdict) : null);
        double thousands = exploration.Counts["publishes"] / 1000.0;
        foreach (var (what, atLeast) in PerThousandPublishes)
            Assert.True(
                exploration.Counts[what] >= atLeast * thousands,
                $"only {exploration.Counts[what]} times in {exploration.Seeds} seeds: {what}");
    }

    [Fact]
    public void Parts_that_no_run_would_show_are_right() => Assert.Null(Checking.Parts.FirstViolation());

    [Fact]
    public void Plans_that_once_broke_a_promise_are_replayed()
        => Assert.All(KeptPlans.All, kept => Assert.True(
            Explorer.Run(kept.Plan) is { Violation: null }, $"{kept.Plan} ({kept.Was}) breaks a promise again"));

    [Fact]
    public void The_same_seed_gives_the_same_history()
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            Trace first = Explorer.Run(new Plan(seed)).Trace, second = Explorer.Run(new Plan(seed)).Trace;
            Assert.Equal((first.Hash, first.Count), (second.Hash, second.Count));
            Assert.NotEqual(first.Hash, Explorer.Run(new Plan(seed + 1000)).Trace.Hash);
            Assert.NotEqual(first.Hash, Explorer.Run(new Plan(seed) { Salt = 1 }).Trace.Hash);
        }
    }

    [Fact]
    public void A_plan_is_read_as_it_is_written()
    {
        var plan = new Plan(4711)
        {
            Salt = 3,
            Without = [Fault.Cuts, Fault.Blocks],
            Publishers = 1,
            Messages = 4,
            Consumers = 0,
            Milliseconds = 250
        };
        var read = Plan.Parse(plan.ToString().Split(' '));
        Assert.Equal(plan.ToString(), read.ToString());
        Assert.Equal(Explorer.Run(plan).Trace.Hash, Explorer.Run(read).Trace.Hash);
    }

    private static long Publishes()
        => long.TryParse(Environment.GetEnvironmentVariable("SAFEAMQP_SIMULATED_PUBLISHES"), NumberStyles.None,
            CultureInfo.InvariantCulture, out long number) ? number : DefaultPublishes;
}
