namespace SafeAmqp.Testing.Loop;

/// <summary>
/// Everything in the broker that waits for a time, on one timer of the time provider: the earliest entry rules it.
/// </summary>
internal sealed class LoopTimers : IDisposable
{
    /// <summary>Fewer cancelled entries than this are not worth a look.</summary>
    private const int FewCancelled = 256;

    private readonly BrokerLoop _loop;
    private readonly PriorityQueue<Entry, (long Due, long Order)> _entries = new();
    private readonly ITimer _timer;
    private readonly long _start;
    private long _order;
    private int _cancelled;
    private long _armedFor = long.MaxValue;

    public LoopTimers(BrokerLoop loop)
    {
        _loop = loop;
        _start = loop.Time.GetTimestamp();
        _timer = loop.Time.CreateTimer(_ => loop.Post(Fire), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How many entries are kept, cancelled ones included.</summary>
    public int Count => _entries.Count;

    /// <summary>Milliseconds since the broker was made.</summary>
    public long Now => (long)_loop.Time.GetElapsedTime(_start).TotalMilliseconds;

    /// <summary>
    /// Calls <paramref name="action"/> in the loop after so many milliseconds, unless the entry is cancelled before.
    /// </summary>
    public Entry After(long milliseconds, Action action)
    {
        var entry = new Entry(this, action);
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
            Dequeue();
            entry.Run();
        }
        Arm();
    }

    private void Arm()
    {
        while (_entries.TryPeek(out Entry? first, out _) && first.Cancelled)
            Dequeue();
        if (!_entries.TryPeek(out _, out (long Due, long Order) when) || when.Due >= _armedFor)
            return;
        _armedFor = when.Due;
        // One millisecond at least: a timer of zero would spin when the clock's resolution is coarser than ours.
        _timer.Change(TimeSpan.FromMilliseconds(Math.Clamp(when.Due - Now, 1, int.MaxValue)), Timeout.InfiniteTimeSpan);
    }

    private void Dequeue()
    {
        if (_entries.Dequeue().Cancelled)
            _cancelled--;
    }

    /// <summary>Behind one that is due soon many may lie that were to be due later.</summary>
    private void CancelledOne()
    {
        if (++_cancelled < FewCancelled || _cancelled <= _entries.Count / 2)
            return;
        (Entry, (long, long))[] kept = [.. _entries.UnorderedItems.Where(item => !item.Element.Cancelled)];
        _entries.Clear();
        _entries.EnqueueRange(kept);
        _entries.TrimExcess();
        _cancelled = 0;
    }

    internal sealed class Entry(LoopTimers timers, Action action)
    {
        private Action? _action = action;
        private bool _isDone;

        public bool Cancelled { get; private set; }

        public void Run()
        {
            (Action? run, _action, _isDone) = (_action, null, true);
            run?.Invoke();
        }

        public void Cancel()
        {
            if (Cancelled || _isDone)
                return;
            (Cancelled, _action) = (true, null); // what it was for may be large
            timers.CancelledOne();
        }
    }
}
