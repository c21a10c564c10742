using SafeAmqp.Testing.Faults;

namespace SafeAmqp.Testing;

/// <summary>A trigger with its action, in force until it is disposed or used up.</summary>
public sealed class FaultScript : IDisposable
{
    private readonly AmqpTestBroker _broker;
    private readonly FaultTrigger _trigger;
    private readonly Random? _random;
    private long _seen;
    private long _count;
    private long _chosen;

    internal FaultScript(AmqpTestBroker broker, FaultTrigger trigger, FaultAction action)
    {
        _broker = broker;
        _trigger = trigger;
        Action = action;
        _random = trigger.Seed is { } seed ? new Random(seed) : null;
    }

    /// <summary>How often the fault has happened.</summary>
    public long Count => Interlocked.Read(ref _count);

    internal FaultAction Action { get; }

    /// <summary>Takes the script back; what it has done stays done.</summary>
    public void Dispose() => _broker.Remove(this);

    /// <summary>Waits until the fault has happened so many times.</summary>
    /// <param name="times">How often, in all.</param>
    /// <param name="timeout">How long at most; default 30 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It has not happened.</exception>
    public Task HappenedAsync(int times = 1, TimeSpan? timeout = null, CancellationToken cancellationToken = default) =>
        _broker.WaitUntilAsync(_ => Count >= times, timeout, cancellationToken);

    internal bool IsDue(FaultScene scene)
    {
        if (_count >= _trigger.Limit || !_trigger.Fits(scene) || ++_seen < _trigger.First
            || !IsChosen(_seen - _trigger.First))
            return false;
        Interlocked.Increment(ref _count);
        return true;
    }

    /// <summary>One of each n: drawn when its group begins.</summary>
    private bool IsChosen(long index)
    {
        int every = _trigger.Every;
        long place = index % every;
        if (place == 0)
            _chosen = _random?.Next(every) ?? every - 1;
        return place == _chosen;
    }
}
