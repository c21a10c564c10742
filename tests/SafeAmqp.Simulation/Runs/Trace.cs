using System.Globalization;

namespace SafeAmqp.Simulation.Runs;

/// <summary>What happened in a run, as a hash over all of it and the text of its tail.</summary>
internal sealed class Trace
{
    private const int Kept = 200;

    private readonly (long Time, string What, long A, long B)[] _tail = new (long, string, long, long)[Kept];

    internal ulong Hash { get; private set; } = 14695981039346656037;

    internal long Count { get; private set; }

    internal void Add(long time, string what, long a = 0, long b = 0)
    {
        Mix((ulong)what.Length << 16 | what[0] | (ulong)what[^1] << 8); // of names, that much tells them apart
        Mix((ulong)time);
        Mix((ulong)a);
        Mix((ulong)b);
        _tail[Count++ % Kept] = (time, what, a, b);
    }

    public override string ToString()
    {
        IEnumerable<string> lines = Enumerable.Range(0, (int)Math.Min(Count, Kept))
            .Select(i => _tail[(Count - Math.Min(Count, Kept) + i) % Kept])
            .Select(e => string.Create(
                CultureInfo.InvariantCulture, $"{e.Time / 10_000.0,12:0.000} ms  {e.What} {e.A} {e.B}"));
        return string.Join('\n', lines);
    }

    private void Mix(ulong value) => Hash = (Hash ^ value) * 1099511628211;
}
