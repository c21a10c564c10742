using SafeAmqp.Consuming;

namespace SafeAmqp;

/// <summary>A running consumer. Disposing stops it: no new deliveries, running handlers end within
/// <see cref="AmqpConsumerOptions.StopTimeout"/>, the rest goes back to the queue.</summary>
public sealed class AmqpSubscription : IAsyncDisposable
{
    private readonly Subscription? _subscription;
    private readonly Func<Task>? _stop;
    private readonly TaskCompletionSource _made = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal AmqpSubscription(Subscription subscription)
    {
        _subscription = subscription;
        Queue = subscription.Queue;
    }

    /// <summary>Makes one that is live, for fakes of <see cref="IAmqpClient"/>: nothing is consumed.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="stop">Called when it is stopped.</param>
    public AmqpSubscription(string queue, Func<Task>? stop = null)
    {
        ArgumentNullException.ThrowIfNull(queue);
        Queue = queue;
        _stop = stop;
    }

    /// <summary>The queue that it consumes.</summary>
    public string Queue { get; }

    /// <summary>Its state.</summary>
    public AmqpConsumerState State => _subscription?.State
        ?? (_made.Task.IsCompleted ? AmqpConsumerState.Stopped : AmqpConsumerState.Live);

    /// <summary>Why it last stopped receiving: the broker cancelled it, its channel was closed, its link was
    /// lost.</summary>
    public string? LastError => _subscription?.LastError;

    /// <summary>What stopped it for good: an <see cref="AmqpPoisonException"/>. A consumer that merely lost its link,
    /// its channel or its queue comes back by itself and has none.</summary>
    public AmqpException? Error => _subscription?.Error;

    /// <summary>Completes successfully when it was stopped or its client was disposed; faults with <see cref="Error"/>
    /// when a message has stopped it. A lost link does not complete it.</summary>
    public Task Completion => _subscription?.Finished ?? _made.Task;

    internal int Unsettled => _subscription?.Unsettled ?? 0;

    /// <summary>Stops the consumer and waits for running handlers. May be called from anywhere, also from a handler,
    /// which it does not wait for then.</summary>
    /// <param name="cancellationToken">Ends the wait, not the stopping.</param>
    /// <returns>A task that completes when it has stopped.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled first.</exception>
    public Task StopAsync(CancellationToken cancellationToken = default)
        => DisposeAsync().AsTask().WaitOrLeaveAsync(cancellationToken);

    /// <summary>Stops the consumer and waits for running handlers, as <see cref="StopAsync"/> does.</summary>
    /// <returns>A task that completes when it has stopped.</returns>
    public ValueTask DisposeAsync() => _subscription?.StopAsync() ?? new ValueTask(StopMadeAsync());

    private async Task StopMadeAsync()
    {
        if (_stop is not null && !_made.Task.IsCompleted)
            await _stop().ConfigureAwait(false);
        _made.TrySetResult();
    }
}
