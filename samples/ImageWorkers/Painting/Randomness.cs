namespace ImageWorkers.Painting;

/// <summary>Chance that a text and a seed decide, the same on every machine and in every version of .NET.</summary>
internal sealed class Randomness
{
    private ulong _state;

    public Randomness(string text, int seed) => _state = Hash(text) ^ (ulong)(uint)seed * 0x9E3779B97F4A7C15;

    /// <summary>A number from 0 up to, but not including, 1.</summary>
    public float Next() => (Mix() >> 40) / (float)(1 << 24);

    /// <summary>A number in a range.</summary>
    public float Between(float low, float high) => low + (high - low) * Next();

    /// <summary>FNV-1a, 64 bits.</summary>
    public static ulong Hash(string text)
    {
        ulong hash = 14695981039346656037UL;
        foreach (char character in text)
            hash = (hash ^ character) * 1099511628211UL;
        return hash;
    }

    // SplitMix64.
    private ulong Mix()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
        z = (z ^ z >> 27) * 0x94D049BB133111EB;
        return z ^ z >> 31;
    }
}
