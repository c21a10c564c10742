using SafeAmqp.Actor;

namespace SafeAmqp.Consuming;

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
        : ConsumerCommand(Subscription);
}
