using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Topology;

namespace SafeAmqp.Actor;

/// <summary>What callers ask of the actor: a closed family. Each carries its completion. To send is an <see cref="OutgoingJob"/>, which is the command itself.</summary>
internal abstract class ActorCommand : ActorMessage
{
    /// <summary>Ends the command because its actor is gone. Called instead of handling it, on the thread that found out.</summary>
    internal virtual void Abandon(ConnectionActor actor)
    {
    }

    /// <summary>Begin to connect.</summary>
    internal sealed class Start : ActorCommand;

    /// <summary>Wait until the link is open.</summary>
    internal sealed class WaitOpen(bool failFast, Completion<bool> completion) : ActorCommand
    {
        internal bool FailFast => failFast;
        internal Completion<bool> Completion => completion;
        internal override void Abandon(ConnectionActor actor) => completion.TryFail(actor.DisposedError());
    }

    /// <summary>A caller's token fired.</summary>
    internal sealed class Cancel(OutgoingJob job) : ActorCommand
    {
        internal OutgoingJob Job => job;
    }

    /// <summary>A reply that came on another link (a fixed reply queue); without an id it answers no call.</summary>
    internal sealed class Replied(string? correlationId, AmqpMessage reply, Completion<bool> matched) : ActorCommand
    {
        internal string? CorrelationId => correlationId;
        internal AmqpMessage Reply => reply;
        internal Completion<bool> Matched => matched;
        internal override void Abandon(ConnectionActor actor) => matched.TryComplete(false);
    }

    /// <summary>Declare the items in order.</summary>
    internal sealed class Declare(DeclareJob job) : ActorCommand
    {
        internal DeclareJob Job => job;
        internal override void Abandon(ConnectionActor actor) => job.Completion.TryFail(actor.DisposedError());
    }

    /// <summary>Begin to consume.</summary>
    internal sealed class Consume(Subscription subscription) : ActorCommand
    {
        internal Subscription Subscription => subscription;
        internal override void Abandon(ConnectionActor actor) => subscription.Started.TryFail(actor.DisposedError());
    }

    /// <summary>Cancel the consumer at the broker; no deliveries after <see cref="Subscription.Quiet"/>.</summary>
    internal sealed class StopConsuming(Subscription subscription) : ActorCommand
    {
        internal Subscription Subscription => subscription;
        internal override void Abandon(ConnectionActor actor) => subscription.Quiet.TryComplete(true);
    }

    /// <summary>Close the consumer's channel: what is unsettled goes back to the queue.</summary>
    internal sealed class EndConsuming(Subscription subscription) : ActorCommand
    {
        internal Subscription Subscription => subscription;
        internal override void Abandon(ConnectionActor actor) => subscription.Ended.TryComplete(true);
    }

    /// <summary>Settle a delivery.</summary>
    internal sealed class Settle(Subscription subscription, AmqpDelivery delivery, AmqpSettlement settlement) : ActorCommand
    {
        internal Subscription Subscription => subscription;
        internal AmqpDelivery Delivery => delivery;
        internal AmqpSettlement Settlement => settlement;
    }

    /// <summary>Finish what is under way until the deadline, then close.</summary>
    internal sealed class Close(long deadline, Completion<bool> completion) : ActorCommand
    {
        internal long Deadline => deadline;
        internal Completion<bool> Completion => completion;
        internal override void Abandon(ConnectionActor actor) => completion.TryComplete(true);
    }
}
