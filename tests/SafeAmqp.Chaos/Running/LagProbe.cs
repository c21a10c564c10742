using System.Diagnostics;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// Says by how much the machine itself was late: a thread of its own that wants to wake every 10 ms, and a work item that it queues each time. What
/// both were late by is no fault of the library.
/// </summary>
internal sealed class LagProbe : IDisposable
{
    private const double Tick = 10;
    private const int Slots = 4096;

    private readonly (long At, double Late)[] _seen = new (long, double)[Slots]; // the last minute or so of what is worth to remember
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;
    private readonly Lock _gate = new();
    private int _next;
    private long _queuedAt;

    internal LagProbe()
    {
        _thread = new Thread(Watch) { IsBackground = true, Name = "lag probe" };
        _thread.Start();
    }

    internal double Worst { get; private set; }

    /// <summary>The most that anything was late since a timestamp, in milliseconds.</summary>
    internal double WorstSince(long timestamp)
    {
        double waiting = Interlocked.Read(ref _queuedAt) is > 0 and var queued ? Stopwatch.GetElapsedTime(queued).TotalMilliseconds : 0;
        lock (_gate)
            return Math.Max(waiting, _seen.Where(seen => seen.At >= timestamp).Select(seen => seen.Late).DefaultIfEmpty().Max());
    }

    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
    }

    private void Watch()
    {
        while (true)
        {
            long before = Stopwatch.GetTimestamp();
            if (_stop.Wait(TimeSpan.FromMilliseconds(Tick)))
                return;
            Remember(Stopwatch.GetElapsedTime(before).TotalMilliseconds - Tick);
            if (Interlocked.CompareExchange(ref _queuedAt, Stopwatch.GetTimestamp(), 0) != 0)
                continue; // the last one still waits for a thread
            ThreadPool.UnsafeQueueUserWorkItem(_ =>
            {
                long queued = Interlocked.Exchange(ref _queuedAt, 0);
                Remember(Stopwatch.GetElapsedTime(queued).TotalMilliseconds);
            }, null);
        }
    }

    private void Remember(double late)
    {
        if (late < Tick)
            return;
        lock (_gate)
        {
            Worst = Math.Max(Worst, late);
            _seen[_next++ % Slots] = (Stopwatch.GetTimestamp(), late);
        }
    }
}
