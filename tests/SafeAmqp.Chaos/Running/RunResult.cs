using System.Text.Json;
using SafeAmqp.Chaos.Checking;

namespace SafeAmqp.Chaos.Running;

/// <summary>What came out: one line of JSON and a plot.</summary>
internal sealed class RunResult(ChaosOptions options, RunChecker checker, IReadOnlyList<FaultRecord> faults,
    Curve curve, double worstLag, string history)
{
    private const int ViolationsShown = 20;

    internal IReadOnlyList<Violation> Violations { get; } = checker.Violations();

    internal RunChecker Checker => checker;

    internal IReadOnlyList<FaultRecord> Faults => faults;

    /// <summary>Writes the result beside the history and returns the line.</summary>
    internal string Write()
    {
        string line = ToLine();
        File.WriteAllText(Path.Combine(options.Folder, $"result-{options.Seed}.json"), line + "\n");
        File.WriteAllText(Path.Combine(options.Folder, $"plot-{options.Seed}.svg"), Plot.Draw(curve, faults, options));
        return line;
    }

    private string ToLine()
    {
        History messages = checker.Messages;
        Outage[] quick = [.. faults.Where(fault => Quick.Contains(fault.Plan.Kind)).SelectMany(fault => fault.Outages)];
        return JsonSerializer.Serialize(new
        {
            seed = options.Seed,
            minutes = Math.Round(options.Duration.TotalMinutes, 2),
            ok = Violations.Count == 0,
            attempts = messages.Attempts,
            outcomes = Enum.GetValues<Ending>().Where(ending => ending != Ending.Open).ToDictionary(
                ending => ending.ToString(), messages.Count),
            deliveries = messages.Deliveries,
            lost = Violations.Count(violation => violation.Rule == "lost"),
            stuck = Violations.Count(violation => violation.Rule is "stuck" or "never ended"),
            falselyCancelled = Violations.Count(violation => violation.Rule == "cancelled but delivered"),
            outOfOrder = Violations.Count(violation => violation.Rule == "swapped"),
            theBrokerForgotAConsumer = checker.ForgottenByTheBroker.Count,
            forgotten = checker.ForgottenByTheBroker,
            confirmedDuringFaults = checker.ConfirmedDuring,
            calls = checker.Calls,
            callsAnswered = checker.Answered,
            callsUnknown = checker.CallsUnknown,
            faults = faults.Count,
            kinds = checker.Faults.Count,
            linksLost = checker.LinksLost,
            recoveryWithAnotherNodeAliveMs = Figures(quick.Select(outage => outage.Total)),
            halfOpenDetectedMs = Figures(faults.Where(fault => fault.Plan.Kind == "half-open")
                .SelectMany(fault => fault.Outages)
                .Select(outage => outage.Detected)),
            slowestDisposeMs = checker.SlowestDispose,
            machineLateMs = Math.Round(worstLag),
            byKind = faults.GroupBy(fault => fault.Plan.Kind).OrderBy(group => group.Key, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => new
                {
                    fired = group.Count(),
                    effective = group.Count(fault => fault.HadEffect),
                    linkBackMs = Figures(group.SelectMany(fault => fault.Outages).Select(outage => outage.Total)),
                    allBackMs = Figures(group.Select(fault => fault.Back - fault.Over)),
                }),
            history,
            violations = Violations.GroupBy(violation => violation.Rule).ToDictionary(
                group => group.Key, group => group.Count()),
            first = Violations.Take(ViolationsShown).Select(violation => violation.ToString()),
        });
    }

    // Those after which a node to go to is there at once, and nothing but the way to it was lost.
    private static readonly string[] Quick = ["reset", "reset everywhere", "connection closed", "connections closed",
        "node killed", "leader killed", "channel crashed"];

    internal static object? Figures(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
            return null;
        double At(double part) => Math.Round(sorted[Math.Min(sorted.Length - 1, (int)(part * sorted.Length))]);
        return new { count = sorted.Length, p50 = At(0.5), p99 = At(0.99), max = At(1) };
    }
}
