using FederatedLearning.Model;

namespace FederatedLearning.Rounds;

/// <summary>
/// FedAvg: the mean of the clients' models, weighted by their samples, summed as updates come in. One sum is held,
/// however many clients there are.
/// </summary>
/// <remarks>
/// The sums are fixed-point numbers of 128 bits, of which 64 stand behind the point. Integer addition knows no order,
/// so the average is the same bit by bit whichever client answers first; with floating point it would not be. The
/// bounds are chosen so that nothing can overflow or be rounded away: a float32 (24 significant bits) times fewer than
/// 2^29 samples is exact in a double, and fewer than 2^32 in magnitude times fewer than 2^31 samples in all stays below
/// 2^63.
/// </remarks>
internal sealed class FederatedAverage(int count)
{
    /// <summary>Every weight must be smaller in magnitude: 2^32.</summary>
    public const float WeightLimit = 4294967296f;

    /// <summary>Every client's number of samples must be smaller: 2^29.</summary>
    public const int SampleLimit = 1 << 29;

    private const double Scale = 18446744073709551616.0; // 2^64

    private readonly Int128[] _sums = new Int128[count];

    /// <summary>How many samples the sum is made of.</summary>
    public long Samples { get; private set; }

    /// <summary>How many updates the sum is made of.</summary>
    public int Updates { get; private set; }

    /// <summary>Whether a client with so many samples still fits in.</summary>
    public bool HasRoomFor(int samples) => Samples + samples <= int.MaxValue;

    /// <summary>Adds a client's model. Values and samples must be within the limits.</summary>
    public void Add(ReadOnlySpan<float> values, int samples)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, _sums.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(samples, SampleLimit);
        if (!HasRoomFor(samples)) throw new InvalidOperationException("More samples than the sums have room for.");
        double factor = samples * Scale;
        for (int i = 0; i < values.Length; i++) _sums[i] += (Int128)(values[i] * factor);
        Samples += samples;
        Updates++;
    }

    /// <summary>The average, and a fresh start.</summary>
    public float[] TakeAverage()
    {
        if (Samples == 0) throw new InvalidOperationException("There is no update to average.");
        float[] average = GC.AllocateUninitializedArray<float>(_sums.Length);
        double divisor = Samples * Scale;
        for (int i = 0; i < average.Length; i++) average[i] = (float)((double)_sums[i] / divisor);
        Clear();
        return average;
    }

    /// <summary>Forgets what was added.</summary>
    public void Clear()
    {
        Array.Clear(_sums);
        Samples = 0;
        Updates = 0;
    }
}
