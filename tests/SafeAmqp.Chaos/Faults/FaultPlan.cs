namespace SafeAmqp.Chaos.Faults;

/// <summary>
/// One fault to come. All that is random about it is in here, so that a seed gives the same faults again.
/// </summary>
/// <param name="Number">From 1.</param>
/// <param name="Kind">Its kind.</param>
/// <param name="Pick">Which node, connection or channel: the n-th of those that there are then.</param>
/// <param name="Scale">How long, how many: from 0 to 1 of what its kind allows.</param>
/// <param name="Gap">The wait before it, once everybody works again.</param>
internal sealed record FaultPlan(int Number, string Kind, int Pick, double Scale, TimeSpan Gap)
{
    internal TimeSpan Between(double fewestSeconds, double mostSeconds)
        => TimeSpan.FromSeconds(fewestSeconds + (mostSeconds - fewestSeconds) * Scale);

    internal int Upto(int most) => (int)(Scale * most);

    public override string ToString() => FormattableString.Invariant(
        $"{Number} {Kind} pick {Pick} scale {Scale:0.000} gap {Gap.TotalSeconds:0.00} s");
}

/// <summary>The faults of a run, by its seed: all kinds in random order, then all again in another.</summary>
internal static class Schedule
{
    internal static IEnumerable<FaultPlan> For(int seed, IReadOnlyList<string> kinds)
    {
        var random = new Random(seed);
        for (int number = 1; ;)
        {
            string[] deck = [.. kinds];
            random.Shuffle(deck);
            foreach (string kind in deck)
                yield return new FaultPlan(number++, kind, random.Next(1000), random.NextDouble(), TimeSpan.FromSeconds(
                    0.1 + random.NextDouble() / 2));
        }
    }
}
