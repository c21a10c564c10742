using System.Diagnostics;

namespace SafeAmqp.Benchmarks;

/// <param name="PerSecond">Confirmed messages per second.</param>
/// <param name="CpuMicroseconds">Processor time of this process per message.</param>
/// <param name="AllocatedBytes">Bytes allocated per message.</param>
internal readonly record struct Measurement(double PerSecond, double CpuMicroseconds, double AllocatedBytes);

/// <summary>A closed loop: so many callers, each with one message under way at a time.</summary>
internal static class Load
{
    internal static async Task<Measurement> RunAsync(Contender contender, int callers, TimeSpan duration)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        TimeSpan cpu = process.TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        long end = start + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        long[] counts = await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(() => CallAsync(contender, caller, end))));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        process.Refresh();
        long messages = counts.Sum();
        return new Measurement(
            messages / seconds,
            (process.TotalProcessorTime - cpu).TotalMicroseconds / messages,
            (GC.GetTotalAllocatedBytes(precise: true) - allocated) / (double)messages);
    }

    private static async Task<long> CallAsync(Contender contender, int caller, long end)
    {
        long count = 0;
        while (Stopwatch.GetTimestamp() < end)
        {
            await contender.PublishAsync(caller);
            count++;
        }
        return count;
    }
}
