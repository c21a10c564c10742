using System.Collections.Concurrent;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>Direct reply-to: the pseudo-queue must be consumed on the very channel that the requests go out
/// on.</summary>
internal sealed class DirectReplies(ConnectionActor actor, PendingCalls calls) : ReplyRoute
{
    private string? _address;

    internal override string? Address => _address;

    internal override bool IsOnLane => true;

    // RabbitMQ requires no-ack here; what may come is bounded by the table of pending calls.
    internal override void Consume(long incarnation)
        => actor.Link.Consume(incarnation,
            new ConsumeRequest(AmqpReplyAddress.PseudoQueue, NoAck: true, Exclusive: false, null));

    internal override void Started() => _address = AmqpReplyAddress.PseudoQueue;

    internal override void Received(BrokerSignal.Delivered reply)
        => calls.Answer(reply.Message.CorrelationId, reply.Message, reply.Flaw, actor.Now);

    internal override void Lose(CloseReason end)
    {
        _address = null;
        calls.LoseReplies(AmqpReplyAddress.Direct, end);
    }
}

/// <summary>The owned exclusive reply queue: server-named, made once per link and used by all calls, on a channel of
/// its own, so that a failed publish loses no replies. Made when the first call needs it, and from then on with each
/// new link before calls leave.</summary>
internal sealed class ReplyChannel(ConnectionActor actor, PendingCalls calls) : ActorChannel(actor)
{
    private const int AccessRefused = 403, PreconditionFailed = 406; // AMQP 0-9-1, section 1.2

    private string? _queue;
    private string? _refusal;
    private bool _isLive;
    private bool _wanted;
    private int _attempt;

    /// <summary>The queue, once replies can come; for the lane whose calls name it.</summary>
    internal ReplyRoute Route => field ??= new QueueRoute(this);

    /// <summary>Whether there is nothing to wait for before the link is open.</summary>
    internal bool IsSettled => !_wanted || _isLive || IsReopening;

    internal void Want()
    {
        if (_wanted)
            return;
        _wanted = true;
        if (Actor.IsConnected)
            Prepare();
    }

    internal override void Prepare()
    {
        if (_wanted && Incarnation == 0 && !IsReopening)
            Open(confirms: false, prefetch: 0);
    }

    internal void EndAll() => Close();

    protected override void OnOpened()
    {
        AwaitAnswer();
        Actor.Link.Ask(Incarnation, new AdminRequest.ReplyQueue());
    }

    protected override void OnSignal(BrokerSignal.OfChannel signal)
    {
        switch (signal)
        {
            case BrokerSignal.Answered answered:
                _queue = answered.Name;
                Answered();
                AwaitAnswer();
                // No other client can have what is not acknowledged, and what may come is bounded by the table of
                // pending calls.
                Actor.Link.Consume(Incarnation, new ConsumeRequest(_queue, NoAck: true, Exclusive: true, null));
                break;
            case BrokerSignal.ConsumerStarted:
                Answered();
                _isLive = true;
                _refusal = null;
                _attempt = 0;
                Actor.Events.ReplyQueueCreated(_queue!);
                Actor.ChannelSettled();
                break;
            case BrokerSignal.Delivered reply:
                calls.Answer(reply.Message.CorrelationId, reply.Message, reply.Flaw, Actor.Now);
                break;
            case BrokerSignal.ConsumerCancelled { ByBroker: true }:
                Close();
                OnClosed(new CloseReason(0, "the broker cancelled the consumer of the reply queue", ByBroker: true));
                break;
        }
    }

    protected override void OnClosed(CloseReason end)
    {
        _refusal = !_isLive && end is { ByBroker: true, Code: AccessRefused or PreconditionFailed }
            ? end.Describe() : null;
        Lose(end);
        ReopenLater(++_attempt);
        if (_refusal is not null)
            Actor.WakeAt(Actor.Now); // calls that wait for it are told
        Actor.ChannelSettled();
    }

    protected override void OnLinkLost(CloseReason end)
    {
        _refusal = null;
        Lose(end);
    }

    private void Lose(CloseReason end)
    {
        _isLive = false;
        _queue = null;
        calls.LoseReplies(AmqpReplyAddress.Exclusive, end);
    }

    private sealed class QueueRoute(ReplyChannel channel) : ReplyRoute
    {
        internal override string? Address => channel._isLive ? channel._queue : null;

        internal override string? Refusal => channel._refusal;
    }
}

/// <summary>Fixed reply queues: each is consumed on the receive link from its first call on; what it brings is matched,
/// by user code, on the pump, and posted to the link that holds the calls.</summary>
/// <param name="consumeAsync">Consumes a queue with a handler.</param>
/// <param name="callers">The thread of the link that holds the calls.</param>
/// <param name="events">Where failures are reported.</param>
internal sealed class FixedReplies(Func<string, AmqpHandler, Task<AmqpSubscription>> consumeAsync,
    IoThread callers, ClientEvents events)
{
    private readonly ConcurrentDictionary<AmqpReplyAddress.FixedReplyAddress, Lazy<Task<AmqpSubscription>>> _consumers =
        [];

    /// <summary>Ensures that the queue is consumed before a request leaves.</summary>
    internal async Task EnsureAsync(AmqpReplyAddress.FixedReplyAddress address)
    {
        Lazy<Task<AmqpSubscription>> consumer =
            _consumers.GetOrAdd(address, key => new Lazy<Task<AmqpSubscription>>(() => ConsumeAsync(key)));
        AmqpSubscription replies;
        try
        {
            replies = await consumer.Value.ConfigureAwait(false);
        }
        catch (Exception error)
        {
            _consumers.TryRemove(KeyValuePair.Create(address, consumer)); // the next call tries again
            if (error is AmqpPoisonException poison)
                throw CannotReceive(poison);
            throw;
        }
        if (replies.Error is { } end)
            throw CannotReceive(end);
    }

    private static AmqpNotSentException CannotReceive(AmqpException error)
        => new($"The request was not sent, as its replies cannot be received: {error.Message}", error, error.Status);

    private async Task<AmqpSubscription> ConsumeAsync(AmqpReplyAddress.FixedReplyAddress address)
        => await consumeAsync(address.QueueName,
            (delivery, lost) => HandleAsync(address, delivery, lost)).ConfigureAwait(false);

    private async ValueTask<AmqpSettlement> HandleAsync(AmqpReplyAddress.FixedReplyAddress address,
        AmqpDelivery delivery, CancellationToken lost)
    {
        string? id = null;
        try
        {
            id = address.Correlate(delivery.Message);
        }
        catch (Exception error)
        {
            events.CorrelateFailed(address.QueueName, error);
        }
        var matched = new Completion<bool>();
        // Also without an id: it is counted there
        callers.PostOrAbandon(new Replied(id, delivery.Message, matched, delivery.Flaw));
        if (await matched.Task.ConfigureAwait(false) || delivery.Flaw is not null)
            return AmqpSettlement.Ack;
        return address.Unmatched is { } unmatched ? await unmatched(delivery, lost).ConfigureAwait(false)
            : AmqpSettlement.Ack;
    }
}
