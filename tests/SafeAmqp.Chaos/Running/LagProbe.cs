using System.Diagnostics;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// Says by how much the machine itself was late: a thread of its own that wants to wake every 10 ms, and a work item
/// that it queues each time. What both were late by is no fault of the library.
/// </summary>
internal sealed class LagProbe : IDisposable
{
    private const double Tick = 10;
    private const int Slots = 4096;

    // the last minute or so of what is worth to remember
    private readonly (long At, double Late, bool OfPool)[] _seen = new (long, double, bool)[Slots];
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

    internal double WorstEver { get; private set; }

    /// <summary>
    /// The most that a thread was late since a timestamp, and the most that the pool was on top of it, in milliseconds:
    /// an end is set on the one and seen on the other.
    /// </summary>
    internal double WorstSince(long timestamp)
    {
        double waiting = Interlocked.Read(ref _queuedAt) is > 0 and var queued
            ? Stopwatch.GetElapsedTime(queued).TotalMilliseconds
            : 0;
        lock (_gate)
            return Worst(ofPool: false) + Math.Max(waiting, Worst(ofPool: true));

        double Worst(bool ofPool) => _seen.Where(seen => seen.At >= timestamp && seen.OfPool == ofPool)
            .Select(seen => seen.Late).DefaultIfEmpty().Max();
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
            Remember(Stopwatch.GetElapsedTime(before).TotalMilliseconds - Tick, ofPool: false);
            if (Interlocked.CompareExchange(ref _queuedAt, Stopwatch.GetTimestamp(), 0) != 0)
                continue; // the last one still waits for a thread
            ThreadPool.UnsafeQueueUserWorkItem(_ =>
            {
                long queued = Interlocked.Exchange(ref _queuedAt, 0);
                Remember(Stopwatch.GetElapsedTime(queued).TotalMilliseconds, ofPool: true);
            }, null);
        }
    }

    private void Remember(double late, bool ofPool)
    {
        if (late < Tick)
            return;
        lock (_gate)
        {
            WorstEver = Math.Max(WorstEver, late);
            _seen[_next++ % Slots] = (Stopwatch.GetTimestamp(), late, ofPool);
        }
    }
}
