using SafeAmqp.Actor;

namespace SafeAmqp.Consuming;

/// <summary>What consumers ask and tell the desired state.</summary>
/// <param name="Redeclare">Puts a queue back that the broker lost while the link stayed up, if it is ours, with its
/// bindings, and calls back when each was answered; never when the link is lost before, as the next link declares them
/// all.</param>
/// <param name="Declared">How this client declared a queue; null when it did not.</param>
/// <param name="Used">A consumer of a queue begins. Says whether the queue has to be put back first.</param>
/// <param name="Left">A consumer of a queue has ended; whether the broker had ever confirmed it.</param>
internal sealed record ConsumedQueues(Action<string, Action> Redeclare, Func<string, AmqpQueue?> Declared,
    Func<string, bool> Used, Action<string, bool> Left);

/// <summary>The consumers of one link, and the messages that were got one by one, each on a channel of its
/// own.</summary>
internal sealed class ConsumerSet(ConnectionActor actor, ConsumedQueues queues)
{
    private readonly List<ConsumerChannel> _consumers = [];
    private readonly List<GetChannel> _gets = [];

    internal ConsumedQueues Queues => queues;

    /// <summary>Settlements that came after their delivery's channel was gone.</summary>
    internal long StaleSettlements { get; set; }

    /// <summary>Deliveries that are not settled.</summary>
    internal int Unsettled
    {
        get
        {
            int unsettled = 0;
            foreach (ConsumerChannel consumer in _consumers)
                unsettled += consumer.Subscription.Unsettled;
            return unsettled;
        }
    }

    /// <summary>Consumers that have a channel.</summary>
    internal int OpenCount => _consumers.Count(consumer => consumer.Incarnation != 0);

    // The channels for declaring, checking exchanges, publishing, replies and direct replies are kept free.
    private int MostConsumers
        => actor.ChannelMax == 0 ? int.MaxValue
            : actor.ChannelMax - (!actor.Settings.Publishes ? 1 : actor.HasFewChannels ? 4 : 5);

    private bool IsRoomForAll => _consumers.Count + _gets.Count <= MostConsumers;

    /// <summary>Whether a consumer may have a channel. One that recovers keeps its place before those that came
    /// later.</summary>
    internal bool HasRoomFor(ConsumerChannel consumer) => IsRoomForAll
        || _consumers.IndexOf(consumer) + _gets.Count(get => get.Incarnation != 0) < MostConsumers;

    internal bool HasRoomFor(GetChannel get)
        => IsRoomForAll || _consumers.Count + _gets.IndexOf(get) < MostConsumers;

    /// <summary>Whether there is nothing to wait for before the link is open.</summary>
    internal bool AreSettled => _consumers.TrueForAll(consumer => consumer.IsSettled);

    /// <summary>Their channels. A copy: one may leave while it is visited.</summary>
    internal ConsumerChannel[] Channels => [.. _consumers];

    /// <summary>The channels of messages that were got, or are to be. A copy, too.</summary>
    internal GetChannel[] Gets => [.. _gets];

    /// <param name="command">What is asked for.</param>
    /// <param name="mayConsume">Whether queues may be consumed by now.</param>
    internal void Handle(ConsumerCommand command, bool mayConsume)
    {
        switch (command)
        {
            case ConsumerCommand.Settle settle:
                Settle(settle);
                break;
            case ConsumerCommand.Consume { Subscription: var subscription }:
                Consume(subscription, mayConsume);
                break;
            case ConsumerCommand.Stop { Subscription: { Channel: { } consumer } }:
                consumer.Stop();
                break;
            case ConsumerCommand.End { Subscription: { Channel: { } consumer } }:
                if (!consumer.EndsLater())
                    Remove(consumer);
                break;
            default:
                command.Abandon(actor); // it has left already
                break;
        }
    }

    internal void Handle(GetJob job, bool mayConsume)
    {
        switch (job)
        {
            case GetJob.Begin begin:
                Get(begin, mayConsume);
                break;
            case GetJob.Settle settle:
                settle.From.Settle(settle.Delivery, settle.Settlement);
                break;
            case GetJob.GiveUp left:
                _gets.Find(get => get.Job == left.Job)?.Leave();
                break;
        }
    }

    private void Get(GetJob.Begin get, bool mayConsume)
    {
        var channel = new GetChannel(actor, this, get);
        _gets.Add(channel);
        actor.WakeAt(get.Deadline);
        if (mayConsume)
            channel.Prepare();
    }

    internal void Remove(GetChannel get) => _gets.Remove(get);

    internal void Prepare()
    {
        foreach (ConsumerChannel consumer in Channels)
            consumer.Prepare();
        foreach (GetChannel get in Gets)
            get.Prepare();
    }

    /// <summary>Takes a consumer out that was stopped. Only a caller that still waits for its start sees the error: it
    /// is stopped first when the client is disposed.</summary>
    internal void Remove(ConsumerChannel consumer) => Remove(consumer, actor.DisposedError());

    /// <summary>Takes a consumer out, with an error for a caller that waits for its start.</summary>
    internal void Remove(ConsumerChannel consumer, Exception? error)
    {
        _consumers.Remove(consumer);
        consumer.Subscription.Channel = null;
        consumer.End(error);
        queues.Left(consumer.Subscription.Queue, consumer.WasLive);
        actor.ChannelSettled();
    }

    internal void EndAll()
    {
        foreach (ConsumerChannel consumer in Channels)
            Remove(consumer);
        foreach (GetChannel get in Gets)
            get.End(actor.DisposedError());
    }

    private void Consume(Subscription subscription, bool mayConsume)
    {
        ConsumerChannel consumer = subscription.NewChannel(actor, this);
        subscription.Channel = consumer;
        _consumers.Add(consumer);
        actor.WakeAt(actor.Now + actor.Settings.OperationTimeout.Ticks);
        bool isGone = queues.Used(subscription.Queue);
        if (!mayConsume)
            return;
        if (isGone && HasRoomFor(consumer))
            queues.Redeclare(subscription.Queue, consumer.Prepare);
        else
            consumer.Prepare();
    }

    private void Settle(ConsumerCommand.Settle settle)
    {
        if (settle.Subscription.Channel is { } consumer)
        {
            consumer.Settle(settle.Delivery, settle.Settlement);
            return;
        }
        StaleSettlements++;
        settle.Abandon(actor);
    }
}

/// <summary>What a subscription asks of its link: a closed family.</summary>
internal abstract record ConsumerCommand(Subscription Subscription) : ActorCommand
{
    /// <summary>Begin to consume.</summary>
    internal sealed record Consume(Subscription Subscription) : ConsumerCommand(Subscription)
    {
        public override void Abandon(ConnectionActor actor) => Subscription.Started.TryFail(actor.DisposedError());
    }

    /// <summary>Cancel the consumer at the broker; no deliveries after <see cref="Subscription.Quiet"/>.</summary>
    internal sealed record Stop(Subscription Subscription) : ConsumerCommand(Subscription)
    {
        public override void Abandon(ConnectionActor actor) => Subscription.Quiet.TryComplete(true);
    }

    /// <summary>Close the consumer's channel: what is unsettled goes back to the queue.</summary>
    internal sealed record End(Subscription Subscription) : ConsumerCommand(Subscription)
    {
        public override void Abandon(ConnectionActor actor) => Subscription.Ended.TryComplete(true);
    }

    /// <summary>Settle a delivery.</summary>
    internal sealed record Settle(Subscription Subscription, AmqpDelivery Delivery, AmqpSettlement Settlement)
        : ConsumerCommand(Subscription)
    {
        public override void Abandon(ConnectionActor actor) => Delivery.Reply?.Abandon(actor);
    }
}
