using SafeAmqp.Actor;
using SafeAmqp.Consuming;

namespace SafeAmqp;

/// <summary>What becomes of a delivered message.</summary>
public enum AmqpSettlement
{
    /// <summary>Done: the broker forgets it.</summary>
    Ack,

    /// <summary>Not done: back to the queue, at its old place where the broker can. What a handler returns goes back
    /// after a wait that grows from 50 ms to 5 s with each time, so that a message which is never done does not spin;
    /// <see cref="AmqpDelivery.Settle"/> gives it back at once. A stream takes nothing back: what its handler returns
    /// comes to the handler again after that wait.</summary>
    Requeue,

    /// <summary>Never to be done: to the queue's dead-letter exchange, or away when it has none. A stream, which has
    /// none, is read on behind it. Each is logged as an error, counted, and shown in
    /// <see cref="AmqpConsumerStatus.LastRejection"/>.</summary>
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
/// <param name="deliveryLost">Cancelled when the delivery can no longer be settled: its channel is gone and the broker
/// delivers it again, perhaps elsewhere. Work that should not be done twice stops.
/// <see cref="AmqpDelivery.Stopping"/> is cancelled when its consumer stops.</param>
/// <returns>What becomes of the message.</returns>
public delegate ValueTask<AmqpSettlement> AmqpHandler(AmqpDelivery delivery, CancellationToken deliveryLost);

/// <summary>Handles a delivery that was read as a value. An exception counts as failed: see
/// <see cref="AmqpConsumerOptions.OnFailure"/>.</summary>
/// <typeparam name="T">What the body holds.</typeparam>
/// <param name="value">The body, never <see langword="null"/>.</param>
/// <param name="delivery">The delivery it came with.</param>
/// <param name="deliveryLost">Cancelled when the delivery can no longer be settled: the broker delivers it again,
/// perhaps elsewhere.</param>
/// <returns>What becomes of the message.</returns>
public delegate ValueTask<AmqpSettlement> AmqpHandler<in T>(T value, AmqpDelivery delivery,
    CancellationToken deliveryLost);

/// <summary>What is wrong with a message whose frames are sound: it is that message's misfortune alone.</summary>
/// <param name="Reason">In words.</param>
/// <param name="TooLarge">Its size in bytes when it is only larger than this client takes: another may read it.</param>
internal sealed record DeliveryFlaw(string Reason, long? TooLarge = null);

/// <summary>A delivered message. It belongs to the channel it came on.</summary>
public sealed class AmqpDelivery
{
    private readonly Func<AmqpDelivery, AmqpSettlement, bool> _settle;
    private int _settled;

    internal AmqpDelivery(AmqpMessage message, string queue, ulong deliveryTag, bool redelivered, long incarnation,
        Func<AmqpDelivery, AmqpSettlement, bool> settle, CancellationToken lost, StopSignal? stop = null,
        long? streamOffset = null, DeliveryFlaw? flaw = null)
    {
        Message = message;
        Queue = queue;
        DeliveryTag = deliveryTag;
        IsRedelivered = redelivered;
        Incarnation = incarnation;
        _settle = settle;
        Lost = lost;
        Stop = stop ?? StopSignal.None;
        StreamOffset = streamOffset;
        Flaw = flaw;
    }

    /// <summary>Makes a delivery, for tests of handlers: no broker has it.</summary>
    /// <param name="message">The message.</param>
    /// <param name="queue">The queue it seems to come from.</param>
    /// <param name="isRedelivered">Whether it seems to have been delivered before.</param>
    /// <param name="streamOffset">Its place, if it seems to come from a stream.</param>
    /// <param name="lost">Cancelled when it seems to be lost.</param>
    /// <param name="stopping">Cancelled when its consumer seems to stop.</param>
    public AmqpDelivery(AmqpMessage message, string queue = "", bool isRedelivered = false, long? streamOffset = null,
        CancellationToken lost = default, CancellationToken stopping = default)
        : this(message, queue, 1, isRedelivered, 1, (_, _) => !lost.IsCancellationRequested, lost,
            new StopSignal(null, stopping), streamOffset)
    {
        IsOfStream = streamOffset is not null;
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(queue);
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

    /// <summary>How often it was tried before: the failures that this client has counted
    /// (<see cref="AmqpFailurePolicy"/>), or where it has counted none before this delivery came the delivery count of
    /// a quorum queue.</summary>
    /// <value>0 the first time, and where they are not counted.</value>
    public int PreviousAttempts
        => RetryHeaders.Sum(
            Failures, StreamOffset is null ? RetryHeaders.PreviousAttempts(Message.Headers, Queue) : 0);

    /// <summary>Cancelled when the delivery can no longer be settled.</summary>
    public CancellationToken Lost { get; }

    /// <summary>Cancelled when its consumer, its client or its host begins to stop. A handler that ends by an
    /// <see cref="OperationCanceledException"/> from then on, its own or as a cause, is not done and not failed: the
    /// message goes back to the queue, no attempt is counted, no error logged.</summary>
    public CancellationToken Stopping => Stop.Token;

    /// <summary>Its place in the stream that it came from.</summary>
    /// <value><see langword="null"/> when its queue is no stream.</value>
    public long? StreamOffset { get; }

    internal long Incarnation { get; }

    /// <summary>Whether its queue is known to be a stream. Where it is not, its offset may be a header that a publisher
    /// has passed on.</summary>
    internal bool IsOfStream { get; init; }

    internal StopSignal Stop { get; }

    /// <summary>How often a handler has failed on this delivery, which came to it again.</summary>
    internal int Failures { get; set; }

    /// <summary>Why it cannot be read; null for one that can be.</summary>
    internal DeliveryFlaw? Flaw { get; }

    /// <summary>What kept it from being handled though its handler returned: it could not be read, or its failure was
    /// sent to the caller that waits for the answer.</summary>
    internal Exception? Fault { get; set; }

    /// <summary>Whether its handler has failed for the last time, and it only waits to be dead-lettered.</summary>
    internal bool IsDead { get; set; }

    /// <summary>Whether no handler is to have it again: it was moved, or returns to its queue.</summary>
    internal bool IsDone { get; set; }

    /// <summary>The dead queue that has confirmed it.</summary>
    internal string? MovedTo { get; set; }

    /// <summary>When it came, in ticks of the link's clock.</summary>
    internal long ReceivedAt { get; init; }

    /// <summary>Where its key has its turn; null until it is known.</summary>
    internal int? Lane { get; set; }

    /// <summary>Its key, once it has a lane.</summary>
    internal string? Key { get; set; }

    /// <summary>Whether it failed after it had been acknowledged.</summary>
    internal bool IsGone { get; set; }

    /// <summary>Why it is rejected, for the log; null when its handler or its holder does so of itself.</summary>
    internal string? RejectedOver { get; set; }

    /// <summary>The span of its handler, once that has ended.</summary>
    internal System.Diagnostics.ActivityContext ProcessedIn { get; set; }

    /// <summary>The answer to a request, which leaves before its acknowledgement.</summary>
    internal IActorMessage? Reply { get; set; }

    internal bool IsSettled => Volatile.Read(ref _settled) != 0;

    /// <summary>How it was settled; <see langword="null"/> while it is not.</summary>
    public AmqpSettlement? Settlement => IsSettled ? (AmqpSettlement)(Volatile.Read(ref _settled) - 1) : null;

    /// <summary>Settles the delivery by hand. What the handler returns is ignored then.</summary>
    /// <param name="settlement">What becomes of it.</param>
    /// <returns>What the settlement did. It never throws over a lost link, and never settles another
    /// delivery.</returns>
    /// <exception cref="InvalidOperationException">A delivery of a stream cannot be requeued.</exception>
    public AmqpSettleResult Settle(AmqpSettlement settlement)
    {
        Check.Defined(settlement, nameof(settlement));
        if (settlement == AmqpSettlement.Requeue && StreamOffset is not null)
            throw new InvalidOperationException($"Queue '{Queue}' {(IsOfStream ? "is" : "seems to be")} a stream, "
                + "which takes nothing back. Return Requeue from the handler to be handed the delivery again, or leave "
                + "it unsettled.");
        return SettleOnce(settlement);
    }

    /// <summary>It was not done, and did not fail: it goes back to the queue. One of a stream is left as it is,
    /// and comes again to the next that reads from there.</summary>
    internal void GiveBack() => SettleOnce(AmqpSettlement.Requeue);

    /// <summary>It was done, and its caller is answered first.</summary>
    /// <returns>False when it has been settled before: the answer is not taken.</returns>
    internal bool Answer(IActorMessage reply)
    {
        if (Interlocked.CompareExchange(ref _settled, (int)AmqpSettlement.Ack + 1, 0) != 0)
            return false;
        Reply = reply;
        _settle(this, AmqpSettlement.Ack);
        return true;
    }

    /// <summary>Settles a request whose answer could not be given as it was meant.</summary>
    internal void SettleUnanswered(AmqpSettlement settlement) => _settle(this, settlement);

    private AmqpSettleResult SettleOnce(AmqpSettlement settlement)
    {
        if (Interlocked.CompareExchange(ref _settled, (int)settlement + 1, 0) != 0)
            return AmqpSettleResult.AlreadySettled;
        return _settle(this, settlement) ? AmqpSettleResult.Settled : AmqpSettleResult.Stale;
    }

    /// <summary>Names the queue, the address and the body's size; never the body or the headers.</summary>
    /// <returns>One line.</returns>
    public override string ToString() => $"delivery {DeliveryTag} from queue '{Queue}': {Message}";
}
