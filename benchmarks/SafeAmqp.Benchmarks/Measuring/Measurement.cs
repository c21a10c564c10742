namespace SafeAmqp.Benchmarks.Measuring;

/// <param name="PerSecond">Operations per second.</param>
/// <param name="CpuMicroseconds">Processor time of this process per operation.</param>
/// <param name="AllocatedBytes">Bytes allocated per operation.</param>
internal readonly record struct Measurement(double PerSecond, double CpuMicroseconds, double AllocatedBytes);
