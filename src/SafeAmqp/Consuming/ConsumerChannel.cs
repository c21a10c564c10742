using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>A subscription's channel: it is opened, its consumer confirmed, its deliveries handed to the pump, its
/// settlements sent. A lost channel or a cancelled consumer is replaced without touching any other.</summary>
internal class ConsumerChannel(ConnectionActor actor, ConsumerSet consumers, Subscription subscription)
    : ActorChannel(actor)
{
    /// <summary>How many suspects are remembered; beyond that the oldest is forgotten.</summary>
    private const int MaxSuspects = 16;

    private readonly AckJoiner _acks = new();
    private readonly StreamPosition _stream = new(subscription.Options);
    private readonly List<(string Rule, ulong Size)> _suspects = [];
    private CancellationTokenSource? _lost; // one for all deliveries of an incarnation
    private long _startBy = actor.Now + actor.Settings.OperationTimeout.Ticks;
    private int _attempt;

    internal Subscription Subscription => subscription;
    protected ConsumerSet Consumers => consumers;

    /// <summary>Whether opening the link need not wait for it: it is live, was refused, or stops.</summary>
    internal bool IsSettled => subscription.State is AmqpConsumerState.Live or AmqpConsumerState.Stopping
        || _attempt > 0;

    /// <summary>Whether the broker has ever confirmed the consumer.</summary>
    internal bool WasLive { get; private set; }

    internal override void Prepare()
    {
        if (Incarnation != 0 || subscription.State is AmqpConsumerState.Stopping or AmqpConsumerState.Stopped)
            return;
        if (consumers.HasRoomFor(this))
        {
            Open(confirms: false, subscription.Options.Prefetch);
            return;
        }
        var reason = CloseReason.Local($"the connection has no channel left: channel_max {Actor.ChannelMax}, "
            + $"{consumers.OpenCount} consumers");
        if (subscription.Started.HasEnded)
            OnClosed(reason); // it tries again
        else
            consumers.Remove(this, Error(reason));
    }

    /// <summary>Asks the broker for no more deliveries.</summary>
    internal void Stop()
    {
        bool live = subscription.State == AmqpConsumerState.Live && IsOpen;
        subscription.State = AmqpConsumerState.Stopping;
        if (live)
        {
            AwaitAnswer();
            Actor.Link.CancelConsumer(Incarnation);
            return;
        }
        Close(); // it may be on its way to consuming; nothing was delivered on it yet
        subscription.Quiet.TryComplete(true);
        Actor.ChannelSettled();
    }

    /// <summary>Whether it ends by itself when it has done what it owes.</summary>
    internal virtual bool EndsLater() => false;

    /// <summary>Closes the channel: the broker requeues what is not settled.</summary>
    internal void End(Exception? error = null)
    {
        Flush();
        Close();
        LoseDeliveries();
        subscription.State = AmqpConsumerState.Stopped;
        if (error is not null)
            subscription.Started.TryFail(error);
        subscription.Quiet.TryComplete(true);
        subscription.Ended.TryComplete(true);
    }

    /// <summary>Notes a message over which the link ended, and says whether one like it did so before.</summary>
    internal bool HasEndedTheLinkBefore(PoisonSuspect suspect)
    {
        if (_suspects.Contains((suspect.Rule, suspect.Size)))
            return true;
        if (_suspects.Count == MaxSuspects)
            _suspects.RemoveAt(0);
        _suspects.Add((suspect.Rule, suspect.Size));
        return false;
    }

    /// <summary>Stops for good, naming the message: consuming again would bring it again.</summary>
    internal void StopPoisoned(string what, string advice, Exception? inner = null)
    {
        string reason = $"a message in queue '{subscription.Queue}' {what}";
        subscription.LastError = $"{reason} {advice}";
        Actor.Events.ConsumerPoisoned(subscription.Queue, what);
        var error = new AmqpPoisonException($"The consumer was stopped, as {reason} {advice}", subscription.Queue,
            inner, Actor.Snapshot());
        consumers.Remove(this, error);
        subscription.Poisoned.TryComplete(error);
    }

    internal virtual void Settle(AmqpDelivery delivery, AmqpSettlement settlement)
    {
        if (delivery.StreamOffset is { } offset)
        {
            // A stream takes nothing back: RabbitMQ 3 would close the connection (540), later ones would skip the
            // message. It is left, and comes again when the next channel reads on from here.
            if (settlement == AmqpSettlement.Requeue)
                return;
            settlement = _stream.Settled(delivery.Incarnation, offset, settlement, Actor.Link.BrokerVersion);
        }
        if (delivery.Incarnation != Incarnation || Incarnation == 0)
        {
            // The broker delivers it again; an ack now would name another delivery
            consumers.StaleSettlements++;
            return;
        }
        if (settlement == AmqpSettlement.Ack)
        {
            _acks.Ack(delivery.DeliveryTag);
            Actor.FlushLater(this);
        }
        else
        {
            _acks.Settle(Actor.Link, Incarnation, delivery.DeliveryTag, settlement);
        }
        subscription.Unsettled = _acks.Unsettled;
    }

    internal override bool Flush()
    {
        _acks.Flush(Actor.Link, Incarnation);
        subscription.Unsettled = _acks.Unsettled;
        return true;
    }

    protected override void OnOpened()
    {
        _lost = new CancellationTokenSource();
        AwaitAnswer();
        subscription.Tag = subscription.Options.ConsumerTag ?? ConsumeRequest.TagOf(Incarnation);
        Actor.Link.Consume(Incarnation,
            new ConsumeRequest(subscription.Queue, NoAck: false, subscription.Options.Exclusive,
                _stream.Begin(Incarnation, consumers.Queues.Declared(subscription.Queue)), subscription.Tag));
    }

    protected override void OnSignal(BrokerSignal.OfChannel signal)
    {
        switch (signal)
        {
            case BrokerSignal.ConsumerStarted:
                Answered();
                _attempt = 0;
                WasLive = true;
                subscription.State = AmqpConsumerState.Live;
                Actor.Events.ConsumerLive(subscription.Queue);
                subscription.Started.TryComplete(true);
                Actor.ChannelSettled();
                break;
            case BrokerSignal.Delivered delivered:
                Deliver(delivered);
                break;
            case BrokerSignal.ConsumerCancelled { ByBroker: false }:
                Answered();
                subscription.Quiet.TryComplete(true);
                break;
            case BrokerSignal.ConsumerCancelled:
                // Of a stream whether it is gone is asked first, as a new one would be read from its beginning
                GiveUp(new CloseReason(_stream.HasBegun ? 0 : 404,
                    $"the broker cancelled the consumer of queue '{subscription.Queue}': the queue was deleted or "
                        + $"its node went away", ByBroker: true));
                break;
        }
    }

    protected override void OnClosed(CloseReason end)
    {
        LoseDeliveries();
        subscription.LastError = end.Describe();
        if (subscription.State == AmqpConsumerState.Stopping)
        {
            subscription.Quiet.TryComplete(true);
            return;
        }
        // A queue of ours may have gone with another consumer since it was declared: it is put back once
        bool mayBePutBack = end.Code == 404 && _attempt == 0
            && consumers.Queues.Declared(subscription.Queue) is { Passive: false };
        if (!subscription.Started.HasEnded && end.ByBroker && !mayBePutBack)
        {
            consumers.Remove(this, Error(end)); // refused at once: the caller decides what to do
            return;
        }
        subscription.State = AmqpConsumerState.Recovering;
        Actor.Events.ConsumerLost(subscription.Queue, end.Describe());
        _attempt = end.Code == 406 && _stream.Refuted(end.Text) ? 1 : _attempt + 1;
        if (end.Code == 404)
        {
            _stream.Forget();
            // With its bindings, so that a live consumer can be reached
            consumers.Queues.Redeclare(subscription.Queue, ReopenUnlessStopped);
        }
        else
        {
            ReopenUnlessStopped();
        }
        Actor.ChannelSettled();
    }

    private void ReopenUnlessStopped()
    {
        if (subscription.State == AmqpConsumerState.Recovering && Incarnation == 0) // a new link may have opened it
            ReopenLater(_attempt);
    }

    protected override void OnLinkLost(CloseReason end)
    {
        _attempt = 0;
        LoseDeliveries();
        if (subscription.State == AmqpConsumerState.Stopping)
        {
            subscription.Quiet.TryComplete(true);
            return;
        }
        if (subscription.State == AmqpConsumerState.Live)
        {
            subscription.State = AmqpConsumerState.Recovering;
            subscription.LastError = end.Describe();
        }
    }

    protected override long OnAdvance(long now)
    {
        if (_startBy <= now)
        {
            _startBy = ActorTime.Never;
            if (!subscription.Started.HasEnded)
            {
                string reason = subscription.LastError is { } error ? $"; last: {error}" : "";
                consumers.Remove(this, Error(CloseReason.Local("the broker did not confirm it within "
                    + $"{Actor.Settings.OperationTimeout.TotalSeconds:0.###} s{reason}",
                    new TimeoutException("The consumer was not confirmed in time."))));
                return ActorTime.Never;
            }
        }
        return _startBy;
    }

    private void Deliver(BrokerSignal.Delivered delivered)
    {
        if (!_acks.Delivered(delivered.Tag))
        {
            GiveUp(CloseReason.Local($"the broker sent delivery tag {delivered.Tag} out of order"));
            return;
        }
        // It is only too large for this client, and not to be thrown away.
        if (delivered.Flaw is { TooLarge: { } size, Reason: var why } && !subscription.TakesUnreadable)
        {
            StopPoisoned($"cannot be taken: {why}.",
                $"Consume it with a client whose {nameof(AmqpClientOptions.MaxMessageSize)} is at least {size} bytes.");
            return;
        }
        subscription.Unsettled = _acks.Unsettled;
        var delivery = new AmqpDelivery(RetryHeaders.Restore(delivered.Message), subscription.Queue, delivered.Tag,
            delivered.IsRedelivered, Incarnation, subscription.Settle, _lost!.Token, subscription.Stopping,
            _stream.Delivered(delivered.Message, delivered.IsRedelivered), delivered.Flaw)
        { ReceivedAt = Actor.Now, IsOfStream = _stream.IsCertain };
        subscription.WarnOfReturns?.Invoke(delivery);
        if (_stream.IsWanted(delivered.Message)
            && (delivered.Flaw is null || subscription.TakesUnreadable || subscription.EndsUnreadable))
        {
            subscription.Pump.Post(delivery);
            return;
        }
        // What cannot be read would come again as it is: it is rejected, whatever the failure policy says
        if (delivered.Flaw is not null)
            subscription.Rejected(delivery);
        Settle(delivery, delivered.Flaw is null ? AmqpSettlement.Ack : AmqpSettlement.Reject);
    }

    protected void GiveUp(CloseReason end)
    {
        Close();
        OnClosed(end);
    }

    // Registered callbacks are user code: they run on the pool, and what they throw is theirs to see.
    protected virtual void LoseDeliveries()
    {
        (CancellationTokenSource? lost, _lost) = (_lost, null);
        _acks.Reset(); // a flush may still be due
        subscription.Unsettled = 0;
        if (lost is not null)
            Actor.Events.Observe(lost.CancelAsync(), "a callback on a lost delivery's token threw");
    }

    private AmqpTopologyException Error(CloseReason end)
        => AmqpTopologyException.OfConsumer(subscription.Queue, end, Actor.Snapshot());
}
