namespace SafeAmqp;

/// <summary>A running consumer. Disposing stops it: no new deliveries, running handlers end within
/// <see cref="AmqpConsumerOptions.StopTimeout"/>, the rest goes back to the queue.</summary>
public sealed class AmqpSubscription : IAsyncDisposable
{
    private readonly Consuming.Subscription _subscription;

    internal AmqpSubscription(Consuming.Subscription subscription) => _subscription = subscription;

    /// <summary>The queue that it consumes.</summary>
    public string Queue => _subscription.Queue;

    /// <summary>Its state.</summary>
    public AmqpConsumerState State => _subscription.State;

    /// <summary>
    /// Why it last stopped receiving: the broker cancelled it, its channel was closed, its link was lost.
    /// </summary>
    public string? LastError => _subscription.LastError;

    /// <summary>What stopped it for good: an <see cref="AmqpPoisonException"/>. A consumer that merely lost its link,
    /// its channel or its queue comes back by itself and has none.</summary>
    public AmqpException? Error => _subscription.Error;

    /// <summary>
    /// Stops the consumer and waits for running handlers. May be called from anywhere, also from a handler, which it
    /// does not wait for then.
    /// </summary>
    /// <returns>A task that ends when it has stopped.</returns>
    public ValueTask DisposeAsync() => _subscription.StopAsync();
}
