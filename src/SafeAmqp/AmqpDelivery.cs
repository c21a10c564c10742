namespace SafeAmqp;

/// <summary>What becomes of a delivered message.</summary>
public enum AmqpSettlement
{
    /// <summary>Done: the broker forgets it.</summary>
    Ack,

    /// <summary>Not done: back to the queue, at its old place where the broker can.</summary>
    Requeue,

    /// <summary>Never to be done: to the queue's dead-letter exchange, or away when it has none.</summary>
    Reject,
}

/// <summary>What a settlement did.</summary>
public enum AmqpSettleResult
{
    /// <summary>It was handed to the owner of the channel that the delivery came on. Should that channel be lost before
    /// it leaves, the broker delivers the message again.</summary>
    Settled,

    /// <summary>That channel is gone. Nothing was sent; the broker delivers the message again.</summary>
    Stale,

    /// <summary>The delivery had been settled before. Nothing was sent.</summary>
    AlreadySettled,
}

/// <summary>Handles a delivery. An exception counts as failed: see
/// <see cref="AmqpConsumerOptions.OnFailure"/>.</summary>
/// <param name="delivery">The message. Its body may be kept.</param>
/// <param name="deliveryLost">Fires when the delivery can no longer be settled: its channel is gone and the broker
/// delivers it again, perhaps elsewhere. Work that should not be done twice stops.</param>
/// <returns>What becomes of the message.</returns>
public delegate ValueTask<AmqpSettlement> AmqpHandler(AmqpDelivery delivery, CancellationToken deliveryLost);

/// <summary>What is wrong with a message whose frames are sound: it is that message's misfortune alone.</summary>
/// <param name="Reason">In words.</param>
/// <param name="IsTooLarge">Whether it is only larger than this client takes: another may read it.</param>
internal sealed record DeliveryFlaw(string Reason, bool IsTooLarge);

/// <summary>A delivered message. It belongs to the channel it came on.</summary>
public sealed class AmqpDelivery
{
    private readonly Func<AmqpDelivery, AmqpSettlement, bool> _settle;
    private int _settled;

    internal AmqpDelivery(AmqpMessage message, string queue, ulong deliveryTag, bool redelivered, long incarnation,
        Func<AmqpDelivery, AmqpSettlement, bool> settle, CancellationToken lost)
    {
        Message = message;
        Queue = queue;
        DeliveryTag = deliveryTag;
        IsRedelivered = redelivered;
        Incarnation = incarnation;
        _settle = settle;
        Lost = lost;
    }

    /// <summary>The message as it was published: exchange, routing key, properties and body.</summary>
    public AmqpMessage Message { get; }

    /// <summary>The body. It may be kept.</summary>
    public ReadOnlyMemory<byte> Body => Message.Body;

    /// <summary>The queue it came from.</summary>
    public string Queue { get; }

    /// <summary>Whether the broker delivered it before, to somebody, without an acknowledgement.</summary>
    public bool IsRedelivered { get; }

    /// <summary>The broker's number of the delivery on its channel. For logs: settling needs only this
    /// object.</summary>
    public ulong DeliveryTag { get; }

    /// <summary>How often it was tried before: the retries of <see cref="AmqpFailurePolicy.Retry"/>, else the delivery
    /// count of a quorum queue.</summary>
    /// <value>0 the first time, and where nobody counts.</value>
    public int PreviousAttempts => Consuming.RetryHeaders.PreviousAttempts(Message.Headers);

    /// <summary>Fires when the delivery can no longer be settled.</summary>
    public CancellationToken Lost { get; }

    internal long Incarnation { get; }

    /// <summary>Why it cannot be read; null for one that can be.</summary>
    internal DeliveryFlaw? Flaw { get; init; }

    /// <summary>What kept it from being handled though its handler returned: it could not be read, or its failure was
    /// sent to the caller that waits for the answer.</summary>
    internal Exception? Fault { get; set; }

    internal bool IsSettled => Volatile.Read(ref _settled) != 0;

    /// <summary>Settles the delivery by hand. What the handler returns is ignored then.</summary>
    /// <param name="settlement">What becomes of it.</param>
    /// <returns>What the settlement did. It never throws over a lost link, and never settles another
    /// delivery.</returns>
    public AmqpSettleResult Settle(AmqpSettlement settlement)
    {
        if (!Enum.IsDefined(settlement))
            throw new ArgumentOutOfRangeException(nameof(settlement), settlement, "Must be Ack, Requeue or Reject.");
        if (Interlocked.Exchange(ref _settled, 1) != 0)
            return AmqpSettleResult.AlreadySettled;
        return _settle(this, settlement) ? AmqpSettleResult.Settled : AmqpSettleResult.Stale;
    }

    /// <summary>Names the queue, the address and the body's size; never the body or the headers.</summary>
    /// <returns>One line.</returns>
    public override string ToString() => $"delivery {DeliveryTag} from queue '{Queue}': {Message}";
}

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

    /// <summary>Why it last stopped receiving: the broker cancelled it, its channel was closed, its link was
    /// lost.</summary>
    public string? LastError => _subscription.LastError;

    /// <summary>What stopped it for good: an <see cref="AmqpPoisonException"/>. A consumer that merely lost its link,
    /// its channel or its queue comes back by itself and has none.</summary>
    public AmqpException? Error => _subscription.Error;

    /// <summary>Stops the consumer and waits for running handlers. May be called from anywhere, also from a handler,
    /// which it does not wait for then.</summary>
    /// <returns>A task that ends when it has stopped.</returns>
    public ValueTask DisposeAsync() => _subscription.StopAsync();
}
