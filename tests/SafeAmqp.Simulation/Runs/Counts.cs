namespace SafeAmqp.Simulation.Runs;

/// <summary>How often what happened in many runs: a run in which nothing goes wrong proves nothing.</summary>
internal sealed class Counts
{
    private readonly Dictionary<string, long> _counts = [];

    internal long this[string what] => _counts.GetValueOrDefault(what);

    internal IEnumerable<KeyValuePair<string, long>> All => _counts.OrderBy(pair => pair.Key, StringComparer.Ordinal);

    internal void Add(string what, long by = 1) => _counts[what] = this[what] + by;

    internal void Add(Counts others)
    {
        foreach (var (what, count) in others._counts)
            Add(what, count);
    }
}
