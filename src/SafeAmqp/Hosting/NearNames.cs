namespace SafeAmqp.Hosting;

/// <summary>Finds what a misspelt name was meant to be.</summary>
internal static class NearNames
{
    private const int MostShown = 3;

    /// <summary>The names that differ from the given one by a few letters, or that contain it, nearest first.</summary>
    internal static List<string> Of(string name, IEnumerable<string> known)
    {
        // One letter in three: "Heartbeet" is near "Heartbeat", "Port" is not near "Hosts".
        int most = Math.Max(1, name.Length / 3);
        return [.. known
            .Select(candidate => (Name: candidate, Distance: Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant())))
            .Where(near => near.Distance <= most || Contain(near.Name, name))
            .OrderBy(near => near.Distance)
            .ThenBy(near => near.Name, StringComparer.Ordinal)
            .Take(MostShown)
            .Select(near => near.Name)];
    }

    private static bool Contain(string one, string other)
        => Math.Min(one.Length, other.Length) > 2
            && (one.Contains(other, StringComparison.OrdinalIgnoreCase) || other.Contains(one, StringComparison.OrdinalIgnoreCase));

    // Levenshtein's distance, two rows at a time.
    private static int Distance(string from, string to)
    {
        int[] previous = [.. Enumerable.Range(0, to.Length + 1)];
        int[] current = new int[to.Length + 1];
        for (int i = 1; i <= from.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = previous[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                current[j] = Math.Min(replaced, Math.Min(previous[j], current[j - 1]) + 1);
            }
            (previous, current) = (current, previous);
        }
        return previous[to.Length];
    }
}
