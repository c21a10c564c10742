using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Owner;

/// <summary>Detects a starved thread pool: RabbitMQ.Client reads, writes and sends its heartbeats there, and
/// continuations run there, so the link dies of it while everything here looks well. Driven by the I/O thread, which no
/// pool can starve: it queues a work item and checks whether it has run.</summary>
internal sealed class StarvationProbe(MonotonicClock clock, ClientEvents events) : IThreadPoolWorkItem
{
    /// <summary>How often it looks: an idle client costs one wake-up and one work item in this time.</summary>
    private static readonly long Interval = TimeSpan.FromSeconds(1).Ticks;

    /// <summary>How many checks may find the same item waiting. More than one, as a process that was suspended checks
    /// late itself.</summary>
    private const int Patience = 2;

    private const long None = -1;

    private long _queuedAt = None;
    private long _ranAt = None;
    private long _nextLook;
    private long _starvedSince = None;
    private long _delay;
    private int _starvations;
    private int _looks;

    /// <summary>How long the last work item waited for a pool thread, or the current one if it has waited
    /// longer.</summary>
    internal TimeSpan Delay => TimeSpan.FromTicks(Math.Max(Volatile.Read(ref _delay), StarvedFor?.Ticks ?? 0));

    /// <summary>For how long the pool has been starved, while it is.</summary>
    internal TimeSpan? StarvedFor => Volatile.Read(ref _starvedSince) is var since
        && since == None ? null : TimeSpan.FromTicks(Math.Max(0, clock.Now - since));

    /// <summary>Whether the work item of the last look has not run yet.</summary>
    internal bool IsWaiting => Volatile.Read(ref _ranAt) == None;

    /// <summary>How often the pool has been found starved.</summary>
    internal int Starvations => Volatile.Read(ref _starvations);

    /// <summary>Called by the I/O thread whenever it is awake.</summary>
    /// <returns>When to be called again at the latest.</returns>
    internal long Look(long now)
    {
        if (now < _nextLook)
            return _nextLook;
        _nextLook = now + Interval;
        long queued = _queuedAt, ran = Volatile.Read(ref _ranAt);
        if (queued != None && ran == None)
        {
            if (++_looks == Patience)
                Begin(queued, now);
            return _nextLook;
        }
        if (queued != None)
        {
            Volatile.Write(ref _delay, Math.Max(0, ran - queued));
            End();
        }
        _looks = 0;
        Volatile.Write(ref _ranAt, None);
        _queuedAt = now;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        return _nextLook;
    }

    void IThreadPoolWorkItem.Execute() => Volatile.Write(ref _ranAt, clock.Now);

    private void Begin(long since, long now)
    {
        Volatile.Write(ref _starvedSince, since);
        Interlocked.Increment(ref _starvations);
        events.PoolStarved(TimeSpan.FromTicks(now - since));
    }

    private void End()
    {
        if (_starvedSince == None)
            return;
        Volatile.Write(ref _starvedSince, None);
        events.PoolRelieved(TimeSpan.FromTicks(_delay));
    }
}
