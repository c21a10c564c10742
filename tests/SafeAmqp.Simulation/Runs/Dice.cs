namespace SafeAmqp.Simulation.Runs;

/// <summary>
/// Seeded numbers, the same on every machine: SplitMix64 (Steele, Lea, Flood, 2014). Each concern of a run has its own.
/// </summary>
internal sealed class Dice(ulong seed)
{
    private ulong _state = seed;

    internal int Next(int below) => (int)NextInt64(below);

    internal int Next(int from, int below) => from + Next(below - from);

    internal long NextInt64(long below) => (long)(((UInt128)NextBits() * (ulong)below) >> 64);

    /// <summary>From 0 to below 1.</summary>
    internal double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    internal bool Chance(double probability) => probability > 0 && NextDouble() < probability;

    internal T Pick<T>(params ReadOnlySpan<T> values) => values[Next(values.Length)];

    internal ulong NextBits()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
