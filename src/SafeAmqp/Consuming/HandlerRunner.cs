using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>What a consumer's deliveries are for.</summary>
internal enum DeliveryUse
{
    Handler,

    /// <summary>They are moved to another queue, also what cannot be read: no user's handler runs.</summary>
    Move,

    /// <summary>A caller waits for the answer.</summary>
    Request,

    /// <summary>They are passed on to the calls whose replies they are: no user's handler runs.</summary>
    Reply,
}

/// <summary>What the handlers of a client have in common.</summary>
/// <param name="Client">Where retries are published.</param>
/// <param name="Events">Where failures are reported.</param>
/// <param name="Observer">Watches handlers.</param>
/// <param name="IsDisposed">Whether the client has got to the point from which nothing new is taken: handlers that
/// still run fail over that.</param>
/// <param name="QueueNamed">How this client declared a queue; null when it did not.</param>
/// <param name="Random">From 0 to below 1, for jitter.</param>
internal sealed record HandlerSurroundings(IAmqpClient Client, ClientEvents Events, ClientObserver Observer,
    Func<bool> IsDisposed, Func<string, AmqpQueue?> QueueNamed, Func<double> Random);

/// <summary>Runs a user's handler on a delivery and settles it. Never throws: a handler harms only its own
/// delivery.</summary>
internal sealed class HandlerRunner(HandlerSurroundings around, AmqpHandler handler, DeliveryUse use)
{
    private readonly FailedDeliveries _failed = new(around);

    /// <inheritdoc cref="DeliveryHandler"/>
    internal async ValueTask<Held?> RunAsync(Subscription subscription, AmqpDelivery delivery)
    {
        if (use == DeliveryUse.Handler && (delivery.IsDead || delivery.Flaw is not null))
            return Done(delivery, _failed.End(subscription, delivery));
        ClientObserver observer = around.Observer;
        ClientObserver.Processing processing = use != DeliveryUse.Reply
            && observer.SeesDeliveries ? observer.BeginProcess(delivery, use == DeliveryUse.Request) : default;
        if (subscription.Options.AutoAck)
            delivery.Settle(AmqpSettlement.Ack); // when it is taken up, so that the prefetch still bounds what waits
        AmqpSettlement? settlement = null;
        Held? hold = null;
        try
        {
            settlement = await handler(delivery, delivery.Lost).ConfigureAwait(false);
            if (!Enum.IsDefined(settlement.Value))
                throw new InvalidOperationException($"The handler returned {settlement}; it must return Ack, Requeue "
                    + $"or Reject.");
            processing.Handled(null);
            if (settlement == AmqpSettlement.Requeue && !delivery.IsSettled)
                hold = new Held(_failed.HoldBeforeReturn(subscription, delivery));
            else
                _failed.Forget(delivery);
        }
        catch (Exception error)
        {
            bool isOver = delivery.Lost.IsCancellationRequested || delivery.IsSettled;
            bool isNotDone = !isOver && (delivery.Stop.Explains(error) || around.IsDisposed());
            processing.Handled(isNotDone ? null : error);
            if (subscription.Options.AutoAck && isOver && !delivery.Lost.IsCancellationRequested)
                Lose(subscription, delivery, error);
            if (isNotDone)
                (settlement, hold) = (AmqpSettlement.Requeue, Held.UntilStopped);
            else if (!isOver)
                (settlement, hold) = _failed.Fail(subscription, delivery, error);
        }
        if (hold is null && settlement is { } done)
            delivery.Settle(done);
        processing.End(settlement);
        return hold;
    }

    // Acknowledged before its handler ran, it cannot be given to anybody any more.
    private void Lose(Subscription subscription, AmqpDelivery delivery, Exception error)
    {
        (delivery.IsGone, delivery.Fault) = (true, error);
        delivery.RejectedOver = $"its handler failed with {error.GetType().Name}, and AutoAck had acknowledged it";
        subscription.Rejected(delivery);
    }

    private static Held? Done(AmqpDelivery delivery, (AmqpSettlement? Settlement, Held? Hold) end)
    {
        if (end is { Hold: null, Settlement: { } settlement })
            delivery.Settle(settlement);
        return end.Hold;
    }
}
