using Microsoft.Extensions.Time.Testing;

namespace TestSupport;

/// <summary>
/// A clock that moves only when a test moves it, and tells when the code under test has begun to wait on it:
/// <see cref="FakeTimeProvider"/> does not, and a test that moved it too early would wait for ever.
/// </summary>
public sealed class ManualTimeProvider : FakeTimeProvider
{
    private readonly Lock _gate = new();
    private readonly Dictionary<WatchedTimer, DateTimeOffset> _dueTimes = [];
    private readonly List<(DateTimeOffset DueTime, TaskCompletionSource Armed)> _waits = [];

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        var watched = new WatchedTimer(this, timer);
        watched.Change(dueTime, period);
        return watched;
    }

    /// <summary>Ends when a timer is armed that is due in exactly this time: the code under test waits.</summary>
    public Task WhenArmedAsync(TimeSpan due)
    {
        lock (_gate)
        {
            var dueTime = GetUtcNow() + due;
            if (_dueTimes.ContainsValue(dueTime))
                return Task.CompletedTask;
            var armed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waits.Add((dueTime, armed));
            return armed.Task;
        }
    }

    private void Note(WatchedTimer timer, TimeSpan due)
    {
        lock (_gate)
        {
            if (due == Timeout.InfiniteTimeSpan)
            {
                _dueTimes.Remove(timer);
                return;
            }
            var dueTime = _dueTimes[timer] = GetUtcNow() + due;
            foreach (var wait in _waits.FindAll(wait => wait.DueTime == dueTime))
                wait.Armed.TrySetResult();
            _waits.RemoveAll(wait => wait.DueTime == dueTime);
        }
    }

    private sealed class WatchedTimer(ManualTimeProvider clock, ITimer timer) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            bool changed = timer.Change(dueTime, period);
            clock.Note(this, dueTime);
            return changed;
        }

        public void Dispose()
        {
            timer.Dispose();
            clock.Note(this, Timeout.InfiniteTimeSpan);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
