using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Exploring;

/// <summary>
/// Makes a failing plan smaller: fewer faults, callers and messages, less time. A smaller plan counts when some order
/// of its events still breaks a promise, not necessarily the same: what is left is what matters.
/// </summary>
internal static class Shrinker
{
    /// <summary>Orders tried before a smaller plan is taken for harmless.</summary>
    private const int Salts = 40;

    internal static (Plan Plan, Verdict Verdict) Shrink(Plan plan, Verdict verdict)
    {
        while (Smaller(plan).Select(TryAll).FirstOrDefault(found => found is not null) is { } better)
            (plan, verdict) = better;
        return (plan, verdict);
    }

    /// <summary>What a failure is reported with: what was broken, how to see it again, and how it came about.</summary>
    internal static string Report(Plan plan, Verdict verdict)
    {
        var (small, last) = Shrink(plan, verdict);
        return $"""
            Seed {plan.Seed}: {verdict.Violation}
            Smaller: {last.Violation}
            Replay:  dotnet run -c Release --project tests/SafeAmqp.Simulation -- replay {small}
            {last.Trace}
            """;
    }

    private static (Plan, Verdict)? TryAll(Plan plan)
    {
        for (int salt = 0; salt < Salts; salt++)
        {
            Plan salted = plan with { Salt = (plan.Salt + salt) % 4096 };
            Verdict verdict = Explorer.Run(salted);
            if (verdict.Violation is not null)
                return (salted, verdict);
        }
        return null;
    }

    // Large steps first.
    private static IEnumerable<Plan> Smaller(Plan plan)
    {
        var scenario = new Scenario(plan);
        Fault[] on = [.. Enum.GetValues<Fault>().Where(fault => scenario[fault] > 0)];
        if (on.Length > 3)
        {
            yield return plan with { Without = plan.Without.Union(on[..(on.Length / 2)]) };
            yield return plan with { Without = plan.Without.Union(on[(on.Length / 2)..]) };
        }
        if (scenario.Consumers > 0)
            yield return plan with { Consumers = 0 };
        if (scenario.Publishers > 1)
            yield return plan with { Publishers = 1 };
        for (int messages = scenario.Messages / 2; messages >= 1 && messages > scenario.Messages / 16; messages /= 2)
            yield return plan with { Messages = scenario.Messages - messages };
        int milliseconds = (int)TimeSpan.FromTicks(scenario.Trouble).TotalMilliseconds;
        if (milliseconds > 100)
            yield return plan with { Milliseconds = milliseconds / 2 };
        foreach (Fault fault in on)
            yield return plan with { Without = plan.Without.Add(fault) };
    }
}
