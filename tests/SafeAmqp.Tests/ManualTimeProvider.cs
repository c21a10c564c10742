namespace SafeAmqp.Tests;

/// <summary>A clock that moves only when a test moves it. Timers fire inside <see cref="Advance"/>, in the order of their times.</summary>
internal sealed class ManualTimeProvider : TimeProvider
{
    private static readonly DateTimeOffset Epoch = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly List<(TimeSpan Due, TaskCompletionSource Armed)> _waits = [];
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Interlocked.Read(ref _now);

    public override DateTimeOffset GetUtcNow() => Epoch + TimeSpan.FromTicks(GetTimestamp());

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock and fires what becomes due on the way.</summary>
    public void Advance(TimeSpan by)
    {
        long end = GetTimestamp() + by.Ticks;
        while (TakeDue(end) is { } timer)
            timer.Fire();
        Interlocked.Exchange(ref _now, end);
    }

    /// <summary>Ends when a timer is armed that is due in exactly this time: the code under test waits for it.</summary>
    public Task WhenArmedAsync(TimeSpan due)
    {
        lock (_gate)
        {
            if (_timers.Any(timer => timer.DueAt == _now + due.Ticks))
                return Task.CompletedTask;
            var wait = (due, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            _waits.Add(wait);
            return wait.Item2.Task;
        }
    }

    private ManualTimer? TakeDue(long end)
    {
        lock (_gate)
        {
            var next = _timers.Where(timer => timer.DueAt <= end).MinBy(timer => timer.DueAt);
            if (next is null)
                return null;
            Interlocked.Exchange(ref _now, Math.Max(_now, next.DueAt));
            if (next.Period > TimeSpan.Zero)
                next.DueAt += next.Period.Ticks;
            else
                _timers.Remove(next);
            return next;
        }
    }

    private sealed class ManualTimer(ManualTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        internal long DueAt { get; set; }

        internal TimeSpan Period { get; private set; }

        internal void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._gate)
            {
                clock._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan)
                    return true;
                DueAt = clock._now + dueTime.Ticks;
                Period = period;
                clock._timers.Add(this);
                foreach (var wait in clock._waits.Where(wait => wait.Due == dueTime).ToList())
                {
                    clock._waits.Remove(wait);
                    wait.Armed.SetResult();
                }
            }
            return true;
        }

        public void Dispose()
        {
            lock (clock._gate)
                clock._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
