namespace SafeAmqp.Testing.Loop;

/// <summary>
/// Everything in the broker that waits for a time, on one timer of the time provider: the earliest entry rules it.
/// </summary>
internal sealed class LoopTimers : IDisposable
{
    private readonly BrokerLoop _loop;
    private readonly PriorityQueue<Entry, (long Due, long Order)> _entries = new();
    private readonly ITimer _timer;
    private readonly long _start;
    private long _order;
    private long _armedFor = long.MaxValue;

    public LoopTimers(BrokerLoop loop)
    {
        _loop = loop;
        _start = loop.Time.GetTimestamp();
        _timer = loop.Time.CreateTimer(_ => loop.Post(Fire), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Milliseconds since the broker was made.</summary>
    public long Now => (long)_loop.Time.GetElapsedTime(_start).TotalMilliseconds;

    /// <summary>
    /// Calls <paramref name="action"/> in the loop after so many milliseconds, unless the entry is cancelled before.
    /// </summary>
    public Entry After(long milliseconds, Action action)
    {
        var entry = new Entry(action);
        long due = Now + Math.Max(0, milliseconds);
        _entries.Enqueue(entry, (due, _order++));
        Arm();
        return entry;
    }

    public void Dispose() => _timer.Dispose();

    private void Fire()
    {
        _armedFor = long.MaxValue;
        while (_entries.TryPeek(out Entry? entry, out (long Due, long Order) when)
            && (when.Due <= Now || entry.Cancelled))
        {
            _entries.Dequeue();
            if (!entry.Cancelled)
                entry.Action();
        }
        Arm();
    }

    private void Arm()
    {
        while (_entries.TryPeek(out Entry? first, out _) && first.Cancelled)
            _entries.Dequeue();
        if (!_entries.TryPeek(out _, out (long Due, long Order) when) || when.Due >= _armedFor)
            return;
        _armedFor = when.Due;
        // One millisecond at least: a timer of zero would spin when the clock's resolution is coarser than ours.
        _timer.Change(TimeSpan.FromMilliseconds(Math.Clamp(when.Due - Now, 1, int.MaxValue)), Timeout.InfiniteTimeSpan);
    }

    internal sealed class Entry(Action action)
    {
        public Action Action => action;

        public bool Cancelled { get; private set; }

        public void Cancel() => Cancelled = true;
    }
}
