using System.Globalization;

namespace SafeAmqp.Tests.Simulation;

/// <summary>What happened in a run, as a hash over all of it and the text of its tail.</summary>
internal sealed class Trace
{
    private const int Kept = 150;

    private readonly (long Time, string What, long A, long B)[] _tail = new (long, string, long, long)[Kept];
    private long _count;

    internal ulong Hash { get; private set; } = 14695981039346656037;

    internal long Count => _count;

    internal void Add(long time, string what, long a = 0, long b = 0)
    {
        foreach (char c in what)
            Mix(c);
        Mix((ulong)time);
        Mix((ulong)a);
        Mix((ulong)b);
        _tail[_count++ % Kept] = (time, what, a, b);
    }

    public override string ToString()
    {
        IEnumerable<string> lines = Enumerable.Range(0, (int)Math.Min(_count, Kept)).Select(i => _tail[(_count - Math.Min(_count, Kept) + i) % Kept])
            .Select(e => string.Create(CultureInfo.InvariantCulture, $"{e.Time / 10_000.0,12:0.000} ms  {e.What} {e.A} {e.B}"));
        return string.Join('\n', lines);
    }

    private void Mix(ulong value) => Hash = (Hash ^ value) * 1099511628211;
}

/// <summary>A promise was broken.</summary>
internal sealed class ViolationException(string message) : Exception(message);
