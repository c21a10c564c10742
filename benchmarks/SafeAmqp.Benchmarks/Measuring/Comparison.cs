using SafeAmqp.Benchmarks.Contenders;

namespace SafeAmqp.Benchmarks.Measuring;

/// <summary>What of a measurement a row is about.</summary>
internal enum Figure
{
    Throughput,
    Cpu,
    Allocation,
}

/// <summary>One row of the table: SafeAmqp beside one other, and the ratio to reach.</summary>
/// <param name="Name">What is done.</param>
/// <param name="Against">The name of the contender that SafeAmqp is measured against; null where the figure stands
/// alone.</param>
/// <param name="Figure">What is compared.</param>
/// <param name="Limit">The ratio, or the figure, to reach.</param>
internal sealed record Target(string Name, string? Against, Figure Figure, double Limit)
{
    /// <summary>Processor time and allocations are to stay below, throughput above.</summary>
    internal bool AtMost => Figure != Figure.Throughput;
}

/// <summary>Contenders measured in turn, round by round, on the same workload; the first is SafeAmqp.</summary>
/// <param name="Name">What it is chosen by.</param>
/// <param name="Title">What is measured, in words.</param>
/// <param name="Workload">The load.</param>
/// <param name="Contenders">Who is measured.</param>
/// <param name="Targets">What is to be reached.</param>
internal sealed record Comparison(
    string Name, string Title, Workload Workload, IReadOnlyList<Func<Contender>> Contenders,
    IReadOnlyList<Target> Targets);

/// <summary>What came out of a comparison: a measurement for each contender and round.</summary>
internal sealed record Outcome(
    Comparison Comparison, IReadOnlyList<(string Contender, IReadOnlyList<Measurement> Rounds)> Measured)
{
    internal IReadOnlyList<Measurement> Of(string contender)
        => Measured.First(one => one.Contender == contender).Rounds;

    internal IReadOnlyList<Measurement> Ours => Measured[0].Rounds;

    /// <summary>SafeAmqp's figure by the other's, in each round.</summary>
    internal double[] Ratios(string contender, Figure figure)
        => [.. Ours.Zip(Of(contender), (ours, theirs) => Value(ours, figure) / Value(theirs, figure))];

    internal static double Value(Measurement measurement, Figure figure) => figure switch
    {
        Figure.Throughput => measurement.PerSecond,
        Figure.Cpu => measurement.CpuMicroseconds,
        _ => measurement.AllocatedBytes,
    };

    internal static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1]
            + sorted[sorted.Length / 2]) / 2;
    }
}
