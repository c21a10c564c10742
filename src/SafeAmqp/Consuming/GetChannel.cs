using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>One message that is got from a queue, on a channel of its own: what the broker refuses harms nothing else,
/// and a message whose caller has gone goes back to its queue with the channel. It stays open until the
/// message is settled.</summary>
internal sealed class GetChannel(ConnectionActor actor, ConsumerSet consumers, GetJob.Begin job) : ActorChannel(actor)
{
    private readonly CancellationTokenSource _lost = new();
    private bool _wasOpened;

    internal GetJob.Begin Job => job;

    /// <summary>Opens the channel on a link that is there.</summary>
    internal override void Prepare()
    {
        if (Incarnation != 0)
            return;
        _wasOpened = true;
        if (consumers.HasRoomFor(this))
            Open(confirms: false, prefetch: 0);
        else
            Fail(CloseReason.Local($"the connection has no channel left: channel_max {Actor.ChannelMax}"));
    }

    internal void Settle(AmqpDelivery delivery, AmqpSettlement settlement)
    {
        if (Incarnation == 0)
        {
            consumers.StaleSettlements++;
            return;
        }
        Actor.Link.Settle(Incarnation, delivery.DeliveryTag, multiple: false, settlement);
        Leave();
    }

    /// <summary>Ends it with its link: a message that is not settled goes back to its queue.</summary>
    internal void End(Exception error)
    {
        job.Completion.TryFail(error);
        Leave();
        // Registered callbacks are user code: they run on the pool, and what they throw is theirs to see.
        Actor.Events.Observe(_lost.CancelAsync(), "a callback on a lost delivery's token threw");
    }

    protected override void OnOpened()
    {
        AwaitAnswer();
        Actor.Link.Get(Incarnation, job.Queue);
    }

    protected override void OnSignal(BrokerSignal.OfChannel signal)
    {
        if (signal is BrokerSignal.FoundEmpty)
        {
            Leave();
            job.Completion.TryComplete(null);
        }
        else if (signal is BrokerSignal.Delivered delivered)
        {
            Answered();
            Deliver(delivered);
        }
    }

    protected override void OnClosed(CloseReason end) => Fail(end);

    // What waits for a link goes on waiting. What was asked is not asked again: it may be why the link ended.
    protected override void OnLinkLost(CloseReason end)
    {
        if (_wasOpened)
            Fail(end);
    }

    protected override long OnAdvance(long now)
    {
        if (job.Completion.HasEnded)
            return ActorTime.Never;
        if (job.Deadline > now)
            return job.Deadline;
        Fail(CloseReason.Unanswered("timed out"));
        return ActorTime.Never;
    }

    private void Deliver(BrokerSignal.Delivered delivered)
    {
        if (delivered.Flaw is { Reason: var why })
        {
            Leave();
            job.Completion.TryFail(new AmqpPoisonException($"The next message of queue '{job.Queue}' cannot be taken: "
                + $"{why}. It is still there.", job.Queue, inner: null, Actor.Snapshot()));
            return;
        }
        var delivery = new AmqpDelivery(RetryHeaders.Restore(delivered.Message), job.Queue, delivered.Tag,
            delivered.IsRedelivered, Incarnation, (settled, settlement) => job.Post(this, settled, settlement),
            _lost.Token)
        { ReceivedAt = Actor.Now };
        if (!job.Completion.TryComplete(delivery))
            Leave(); // its caller has left
    }

    private void Fail(CloseReason end)
    {
        string why = end.Error is TimeoutException ? $": {WaitReason.NotDone(Actor.Snapshot())}" : "";
        End(new AmqpTopologyException($"No message could be got from queue '{job.Queue}': {end.Describe()}{why}.",
            $"queue '{job.Queue}'", Actor.Snapshot(), end));
    }

    /// <summary>Closes the channel: what is not settled goes back.</summary>
    internal void Leave()
    {
        Close();
        consumers.Remove(this);
    }
}

/// <summary>What is asked of a link for one message: a closed family.</summary>
internal abstract record GetJob : ActorCommand
{
    /// <summary>Get one.</summary>
    /// <param name="Queue">The queue.</param>
    /// <param name="Deadline">When its caller is told that it did not come.</param>
    /// <param name="Post">Takes a settlement to the channel that the message came on; false when that is known to be
    /// gone.</param>
    internal sealed record Begin(string Queue, long Deadline,
        Func<GetChannel, AmqpDelivery, AmqpSettlement, bool> Post) : GetJob
    {
        /// <summary>Ends with the message, or null when there is none.</summary>
        internal Completion<AmqpDelivery?> Completion { get; } = new();

        public override void Abandon(ConnectionActor actor) => Completion.TryFail(actor.DisposedError());
    }

    /// <summary>Its caller does not wait for it any more.</summary>
    internal sealed record GiveUp(Begin Job) : GetJob;

    /// <summary>Settle it.</summary>
    internal sealed record Settle(GetChannel From, AmqpDelivery Delivery, AmqpSettlement Settlement) : GetJob;
}
