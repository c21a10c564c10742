using System.Collections.Concurrent;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>A delivery that its consumer keeps for a while.</summary>
/// <param name="Time">For how long; <see cref="Timeout.InfiniteTimeSpan"/> until the consumer stops.</param>
/// <param name="Again">Whether it is handled again then. Otherwise it goes back to its queue, but for a stream's, which
/// takes nothing back.</param>
internal readonly record struct Held(TimeSpan Time, bool Again = false)
{
    internal static readonly Held UntilStopped = new(Timeout.InfiniteTimeSpan);
}

/// <summary>What comes after a handler has failed: the delivery is held, waits in a retry queue, goes back, or comes to
/// its end.</summary>
internal sealed class FailedDeliveries(HandlerSurroundings around)
{
    /// <summary>How long a delivery is kept at most that cannot be moved to its retry queue: far below the broker's
    /// acknowledgement time-out.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>When a delivery that cannot be dead-lettered returns to its queue.</summary>
    private static readonly TimeSpan ReturnAfter = TimeSpan.FromMinutes(10);

    /// <summary>RabbitMQ's default; a queue may have its own.</summary>
    private static readonly TimeSpan ConsumerTimeout = TimeSpan.FromMinutes(30);

    /// <summary>How many returns before the last one is warned of.</summary>
    private const int FewReturns = 5;

    private readonly ConcurrentDictionary<string, Task> _declared = [];
    private readonly FailureBook _failures = new(around.Random);

    internal void Forget(AmqpDelivery delivery) => _failures.Forget(delivery);

    internal async ValueTask<(AmqpSettlement, Held?)> FailAsync(Subscription subscription, AmqpDelivery delivery,
        Exception error)
    {
        AmqpFailurePolicy policy = subscription.Options.OnFailure;
        if (error is AmqpUnreadableException)
        {
            (delivery.Fault, delivery.RejectedOver) = (error, error.Message);
            return await EndAsync(subscription, delivery).ConfigureAwait(false);
        }
        int failures = delivery.Failures + 1 + RetryHeaders.Retries(delivery.Message.Headers);
        bool holds = policy.Delays.Count > 0, retries = failures <= (holds ? policy.Delays.Count : policy.Attempts);
        if (around.Throttle.ShouldLog(delivery.Queue, error.GetType().Name, out long suppressed))
            Log.HandlerFailed(around.Logger, delivery.Queue, delivery.DeliveryTag, PrintableId(delivery),
                retries ? $"retry in {(holds ? policy.Delays[failures - 1] : policy.Delay)}"
                    : holds ? "dead-letter" : policy.Settlement.ToString(), suppressed, error);
        if (retries)
            return holds ? await HoldAsync(subscription, delivery, policy.Delays[failures - 1], failures)
                .ConfigureAwait(false) : await RetryAsync(subscription, delivery, policy.Delay, failures)
                .ConfigureAwait(false);
        if (policy.Settlement == AmqpSettlement.Requeue)
        {
            if (delivery.StreamOffset is not null)
                delivery.Failures++; // it comes again
            return (AmqpSettlement.Requeue, new Held(HoldBeforeReturn(subscription, delivery)));
        }
        delivery.RejectedOver = failures == 1 ? $"its handler failed with {error.GetType().Name}"
            : $"its handler failed {failures} times, at last with {error.GetType().Name}";
        return await EndAsync(subscription, delivery).ConfigureAwait(false);
    }

    /// <summary>It is not tried again: it goes to the queue's own dead-letter exchange, else to its dead queue, or away
    /// where neither can be.</summary>
    internal async ValueTask<(AmqpSettlement, Held?)> EndAsync(Subscription subscription, AmqpDelivery delivery)
    {
        AmqpFailurePolicy policy = subscription.Options.OnFailure;
        AmqpQueue? queue = around.QueueNamed(delivery.Queue);
        if (policy.Delays.Count == 0 || delivery.StreamOffset is not null || IsTemporary(delivery.Queue, queue)
            || queue?.Argument("x-dead-letter-exchange") is not null)
            return (AmqpSettlement.Reject, null);
        string dead = AmqpFailurePolicy.DeadQueueOf(delivery.Queue);
        try
        {
            await MoveAsync(delivery, DeadQueue(dead, queue), attempts: 0, Rejections.ReasonOf(delivery))
                .ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            delivery.IsDead = true;
            subscription.DeadLetterError = $"queue '{dead}' took nothing: {failure.Message}";
            TimeSpan longest = policy.Delays.Max();
            bool returns = subscription.Age(delivery) + longest > ReturnAfter;
            if (around.Throttle.ShouldLog(dead, "dead", out long suppressed))
                Log.NotDeadLettered(around.Logger, delivery.Queue, delivery.DeliveryTag, PrintableId(delivery), dead,
                    returns ? "it returns to its queue" : $"next try in {StatusText.Seconds(longest)}", suppressed,
                    failure);
            if (returns)
                return (AmqpSettlement.Requeue, new Held(HoldBeforeReturn(subscription, delivery)));
            subscription.Holds();
            return (AmqpSettlement.Requeue, new Held(Jittered(longest), Again: true));
        }
        subscription.DeadLetterError = null;
        delivery.MovedTo = dead;
        subscription.Rejected(delivery);
        return (AmqpSettlement.Ack, null); // the dead queue has confirmed it
    }

    internal TimeSpan HoldBeforeReturn(Subscription subscription, AmqpDelivery delivery)
    {
        if (around.ReturnsLeft(delivery) is { } left and <= FewReturns
            && around.Throttle.ShouldLog(delivery.Queue, $"{left} returns left", out long suppressed))
            Log.FewReturnsLeft(around.Logger, delivery.Queue, delivery.DeliveryTag, PrintableId(delivery), left,
                suppressed);
        return _failures.NextHold(delivery, subscription.Time);
    }

    // In order of preference: here, where it costs nothing; in the retry queue; here all the same.
    private async ValueTask<(AmqpSettlement, Held?)> HoldAsync(Subscription subscription, AmqpDelivery delivery,
        TimeSpan delay, int failures)
    {
        AmqpQueue? queue = around.QueueNamed(delivery.Queue);
        TimeSpan hold = Jittered(delay);
        bool staysHere = delivery.StreamOffset is not null || IsTemporary(delivery.Queue, queue);
        if (!staysHere)
            DeclareDeadQueueAsync(subscription, queue).Forget();
        bool isHeld = !staysHere && subscription.Options.KeySelector is null
            && subscription.Age(delivery) + hold <= TimeoutOf(queue) / 2 && subscription.TryHold();
        if (!isHeld && !staysHere && subscription.Options.KeySelector is null)
        {
            try
            {
                await MoveAsync(delivery, RetryQueue(delivery.Queue, delay), failures).ConfigureAwait(false);
                return (AmqpSettlement.Ack, null);
            }
            catch (Exception failure)
            {
                NotMoved(delivery, failure);
            }
        }
        if (!isHeld)
            subscription.Holds();
        delivery.Failures++;
        return (AmqpSettlement.Requeue, new Held(hold, Again: true));
    }

    private async ValueTask<(AmqpSettlement, Held?)> RetryAsync(Subscription subscription, AmqpDelivery delivery,
        TimeSpan delay, int failures)
    {
        if (delivery.StreamOffset is not null)
        {
            delivery.Failures++;
            return (AmqpSettlement.Requeue, new Held(delay)); // it comes again
        }
        try
        {
            await MoveAsync(delivery, RetryQueue(delivery.Queue, delay), failures).ConfigureAwait(false);
            return (AmqpSettlement.Ack, null); // its copy waits in the retry queue, confirmed
        }
        catch (Exception failure)
        {
            NotMoved(delivery, failure);
            TimeSpan growing = HoldBeforeReturn(subscription, delivery);
            TimeSpan pause = delay < LongestPause ? delay : LongestPause;
            return (AmqpSettlement.Requeue, new Held(pause > growing ? pause : growing));
        }
    }

    private async Task MoveAsync(AmqpDelivery delivery, AmqpQueue to, int attempts, string? reason = null)
    {
        AmqpMessage message = RetryHeaders.ForMove(delivery.Message, to.Name, attempts, reason);
        if (delivery.Flaw is not null) // its headers cannot be passed on octet by octet
            message = message with { Received = default, PassedOn = null };
        try
        {
            try
            {
                await DeclareOnceAsync(to).ConfigureAwait(false);
            }
            catch (AmqpTopologyException refused) when (refused.ReplyCode == 406 && reason is not null)
            {
                // There is a dead queue, made otherwise: whether it takes the message is for the broker to say.
            }
            await around.Client.PublishAsync(message).ConfigureAwait(false);
        }
        catch
        {
            _declared.TryRemove(to.Name, out _); // refused, or deleted since: the next one declares it again
            throw;
        }
    }

    // At the first failure, so that what stands against it is known before anything is to go there.
    private async Task DeclareDeadQueueAsync(Subscription subscription, AmqpQueue? queue)
    {
        if (queue?.Argument("x-dead-letter-exchange") is not null)
            return;
        string dead = AmqpFailurePolicy.DeadQueueOf(subscription.Queue);
        try
        {
            await DeclareOnceAsync(DeadQueue(dead, queue)).ConfigureAwait(false);
        }
        catch (AmqpTopologyException refused) when (refused.ReplyCode != 406)
        {
            subscription.DeadLetterError = $"queue '{dead}' cannot be declared: {refused.Message}";
        }
    }

    // Once, but for what failed: that a link was away says nothing about the next time.
    private Task DeclareOnceAsync(AmqpQueue queue)
        => _declared.TryGetValue(queue.Name, out Task? before) && before is { IsFaulted: false, IsCanceled: false }
            ? before : _declared[queue.Name] = around.Client.DeclareAsync(new AmqpTopology().With(queue)).AsTask();

    private static AmqpQueue RetryQueue(string queue, TimeSpan delay) => new()
    {
        Name = AmqpFailurePolicy.RetryQueueOf(queue, delay),
        MessageTtl = delay,
        DeadLetterExchange = "",
        DeadLetterRoutingKey = queue,
    };

    private static AmqpQueue DeadQueue(string name, AmqpQueue? of)
        => new() { Name = name, Type = of?.Type == AmqpQueueType.Quorum ? AmqpQueueType.Quorum : default };

    // Gone with its connection or its consumers: what is put beside it would outlive it.
    private static bool IsTemporary(string name, AmqpQueue? queue)
        => queue is { Exclusive: true } or { AutoDelete: true }
            || name.StartsWith("amq.gen-", StringComparison.Ordinal);

    private static TimeSpan TimeoutOf(AmqpQueue? queue) => queue?.Argument("x-consumer-timeout") switch
    {
        long milliseconds => TimeSpan.FromMilliseconds(milliseconds),
        int milliseconds => TimeSpan.FromMilliseconds(milliseconds),
        _ => ConsumerTimeout,
    };

    private TimeSpan Jittered(TimeSpan delay) => delay * (0.8 + (0.4 * around.Random()));

    private void NotMoved(AmqpDelivery delivery, Exception failure)
    {
        if (around.Throttle.ShouldLog(delivery.Queue, "retry", out long suppressed))
            Log.RetryFailed(around.Logger, delivery.Queue, suppressed, failure);
    }

    // The peer chose it.
    private static string? PrintableId(AmqpDelivery delivery)
        => delivery.Message.MessageId is { } id ? StatusText.Printable(id) : null;
}
