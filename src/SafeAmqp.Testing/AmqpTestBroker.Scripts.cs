using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Observation;

namespace SafeAmqp.Testing;

/// <summary>Scripted faults, and looking at what came of them.</summary>
public sealed partial class AmqpTestBroker
{
    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(30);

    /// <summary>From now on, whenever the trigger's moment comes, the action happens.</summary>
    /// <exception cref="ArgumentException">The action is none of those that can happen at such a moment.</exception>
    public FaultScript Script(FaultTrigger trigger, FaultAction action)
    {
        ArgumentNullException.ThrowIfNull(trigger);
        ArgumentNullException.ThrowIfNull(action);
        action.Check(trigger.Method, nameof(action));
        var script = new FaultScript(this, trigger, action);
        _state.Faults.Add(script);
        return script;
    }

    /// <summary>Takes back all scripts.</summary>
    public void ClearScripts() => _state.Faults.Clear();

    /// <summary>
    /// Lets an action happen now, once on each open connection or each of one name; what concerns channels happens on
    /// each of theirs.
    /// </summary>
    /// <exception cref="ArgumentException">The action can only happen to a method or a message.</exception>
    public Task InjectAsync(FaultAction action, string? connection = null)
    {
        ArgumentNullException.ThrowIfNull(action);
        action.Check(FaultScene.Injecting, nameof(action));
        return _state.Loop.AskAsync(() =>
        {
            foreach (Connection found in _state.Connections
                .Where(c => c.IsOpen && (connection is null || c.Name == connection)).ToArray())
                action.Inject(found);
            return true;
        });
    }

    /// <summary>Looks at the broker while it stands still.</summary>
    /// <param name="look">Runs inside the broker: quick, and without waiting for anything.</param>
    public Task<T> LookAsync<T>(Func<AmqpBrokerView, T> look)
    {
        ArgumentNullException.ThrowIfNull(look);
        return _state.Loop.AskAsync(() => look(_view));
    }

    /// <summary>
    /// Waits until a condition holds; it is asked again whenever something has happened in the broker.
    /// </summary>
    /// <param name="condition">Runs inside the broker: quick, and without waiting for anything.</param>
    /// <param name="timeout">How long at most, in real time; default 30 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It does not hold.</exception>
    public async Task WaitUntilAsync(
        Func<AmqpBrokerView, bool> condition, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var waiter = new History.Waiter(() => condition(_view));
        _state.Loop.Command(() => _state.History.Wait(waiter));
        try
        {
            await waiter.Done.WaitAsync(timeout ?? DefaultWait, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            waiter.GiveUp();
        }
    }

    internal void Remove(FaultScript script) => _state.Faults.Remove(script);
}
