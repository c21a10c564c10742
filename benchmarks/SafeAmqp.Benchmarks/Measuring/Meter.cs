using System.Diagnostics;

namespace SafeAmqp.Benchmarks.Measuring;

/// <summary>Measures time, processor time and allocations of this process around a load.</summary>
internal static class Meter
{
    /// <summary>Runs a load that answers with the number of its operations.</summary>
    internal static async Task<Measurement> MeasureAsync(Func<Task<long>> load)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        TimeSpan cpu = process.TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        long operations = await load();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        process.Refresh();
        return new Measurement(
            operations / seconds,
            (process.TotalProcessorTime - cpu).TotalMicroseconds / operations,
            (GC.GetTotalAllocatedBytes(precise: true) - allocated) / (double)operations);
    }

    /// <summary>A closed loop: so many callers, each with one operation under way at a time.</summary>
    internal static async Task<long> ClosedLoopAsync(int callers, TimeSpan duration, Func<int, ValueTask> operate)
    {
        long end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        long[] counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            long count = 0;
            while (Stopwatch.GetTimestamp() < end)
            {
                await operate(caller);
                count++;
            }
            return count;
        })));
        return counts.Sum();
    }
}
