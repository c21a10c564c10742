namespace TwoThreads;

/// <summary>What one run counted, in the order in which it is told.</summary>
internal sealed class Tally
{
    private readonly List<(string What, int Count, bool IsHarm)> _rows = [];

    /// <summary>Adds what is right to happen, however often.</summary>
    public Tally Fact(string what, int count)
    {
        _rows.Add((what, count, false));
        return this;
    }

    /// <summary>Adds what must not happen at all.</summary>
    public Tally Harm(string what, int count)
    {
        _rows.Add((what, count, true));
        return this;
    }

    public IReadOnlyList<(string What, int Count, bool IsHarm)> Rows => _rows;

    /// <summary>How much went wrong.</summary>
    public int Harmed => _rows.Where(row => row.IsHarm).Sum(row => row.Count);
}
