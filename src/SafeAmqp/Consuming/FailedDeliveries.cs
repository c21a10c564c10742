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

    /// <summary>Its way to another queue, before anything else: ends with null when that queue has confirmed it and it
    /// is acknowledged, or when it is lost; otherwise with how it is held then. Never fails.</summary>
    internal Task<Held?>? Move { get; init; }
}

/// <summary>What comes after a handler has failed: the delivery is held, waits in a retry queue, goes back, or comes to
/// its end. Nothing here waits for the broker: what does is a <see cref="Held.Move"/>.</summary>
internal sealed class FailedDeliveries(HandlerSurroundings around)
{
    /// <summary>How long a delivery is kept at most that cannot be moved to its retry queue: far below the broker's
    /// acknowledgement time-out.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>When a delivery that cannot be dead-lettered returns to its queue.</summary>
    private static readonly TimeSpan ReturnAfter = TimeSpan.FromMinutes(10);

    private const double LeastJitter = 0.8, MostJitter = 1.2;

    /// <summary>RabbitMQ's default; a queue may have its own.</summary>
    private static readonly TimeSpan ConsumerTimeout = TimeSpan.FromMinutes(30);

    private static readonly Dictionary<string, object?> AtLeastOnce = new()
    {
        ["x-dead-letter-strategy"] = "at-least-once",
    };

    private readonly ConcurrentDictionary<string, Task> _declared = [];
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Task> _left = []; // what was moved last to each queue
    private readonly FailureBook _failures = new(around.Random);

    internal void Forget(AmqpDelivery delivery) => _failures.Forget(delivery);

    /// <returns>How it is settled now, or how it is held.</returns>
    internal (AmqpSettlement?, Held?) Fail(Subscription subscription, AmqpDelivery delivery, Exception error)
    {
        AmqpFailurePolicy policy = subscription.Options.OnFailure;
        if (error is AmqpUnreadableException)
        {
            (delivery.Fault, delivery.RejectedOver) = (error, error.Message);
            return End(subscription, delivery);
        }
        AmqpQueue? queue = around.QueueNamed(delivery.Queue);
        int failures = RetryHeaders.Sum(
            delivery.Failures + 1, RetryHeaders.Retries(delivery.Message.Headers, delivery.Queue));
        bool holds = policy.Delays.Count > 0, hasQueuesBeside = HasQueuesBeside(delivery, queue);
        bool mayMove = hasQueuesBeside && !(holds && subscription.Options.KeySelector is not null);
        TimeSpan? wait = failures > (holds ? policy.Delays.Count : policy.Attempts) ? null
            : holds ? policy.Delays[failures - 1] : policy.Delay;
        bool isOutOfTime = !mayMove && wait is { } next && Outlasts(next * MostJitter, subscription, delivery, queue);
        if (isOutOfTime)
            wait = null;
        around.Events.HandlerFailed(delivery, wait is not null ? $"retry in {wait}"
            : holds ? "dead-letter" : policy.Settlement.ToString(), error);
        if (wait is { } delay)
        {
            if (holds && hasQueuesBeside)
                DeclareDeadQueueAsync(subscription, queue).Forget();
            return !mayMove ? (null, HoldHere(subscription, delivery, holds ? Jittered(delay) : delay))
                : holds ? Hold(subscription, delivery, queue, delay, failures)
                : Moving(RetryAsync(subscription, delivery, delay, failures));
        }
        if (policy.Settlement == AmqpSettlement.Requeue)
        {
            if (delivery.StreamOffset is not null)
                delivery.Failures++; // it comes again
            return (AmqpSettlement.Requeue, new Held(HoldBeforeReturn(subscription, delivery)));
        }
        delivery.RejectedOver = failures == 1 ? $"its handler failed with {error.GetType().Name}"
            : $"its handler failed {failures} times, at last with {error.GetType().Name}";
        if (isOutOfTime)
            delivery.RejectedOver += ", and the broker's consumer time-out ends before the next attempt";
        return End(subscription, delivery);
    }

    /// <summary>It is not tried again: it goes to the queue's own dead-letter exchange, else to its dead queue, or away
    /// where neither can be.</summary>
    internal (AmqpSettlement?, Held?) End(Subscription subscription, AmqpDelivery delivery)
    {
        AmqpQueue? queue = around.QueueNamed(delivery.Queue);
        return subscription.Options.OnFailure.Delays.Count == 0 || delivery.IsOfStream
            || AmqpQueue.IsTemporary(delivery.Queue, queue) || queue is { HasDeadLetterExchange: true }
            ? (AmqpSettlement.Reject, null) : Moving(BuryAsync(subscription, delivery, queue));
    }

    internal TimeSpan HoldBeforeReturn(Subscription subscription, AmqpDelivery delivery)
        => _failures.NextHold(delivery, subscription.Time);

    // A queue to wait in, or to end in: none is made beside one that goes by itself, and a stream takes nothing back.
    private static bool HasQueuesBeside(AmqpDelivery delivery, AmqpQueue? queue)
        => delivery.StreamOffset is null && !AmqpQueue.IsTemporary(delivery.Queue, queue);

    // The broker would close the channel, and deliver all that it had again, uncounted.
    private static bool Outlasts(TimeSpan hold, Subscription subscription, AmqpDelivery delivery, AmqpQueue? queue)
        => subscription.Age(delivery) + hold > (queue?.ConsumerTimeout ?? ConsumerTimeout) / 2;

    // In order of preference: here, where it costs nothing; in the retry queue; here all the same.
    private (AmqpSettlement?, Held?) Hold(Subscription subscription, AmqpDelivery delivery, AmqpQueue? queue,
        TimeSpan delay, int failures)
    {
        TimeSpan hold = Jittered(delay);
        if (Outlasts(hold, subscription, delivery, queue) || !subscription.TryHold())
            return Moving(PostponeAsync(subscription, delivery, delay, failures,
                _ => HoldHere(subscription, delivery, hold)));
        delivery.Failures++;
        return (null, new Held(hold, Again: true));
    }

    private Task<Held?> RetryAsync(Subscription subscription, AmqpDelivery delivery, TimeSpan delay, int failures)
        => PostponeAsync(subscription, delivery, delay, failures, failure =>
        {
            TimeSpan pause = delay < LongestPause ? delay : LongestPause;
            if (failure is AmqpRefusedException) // of this message no queue will ever take a copy
                return HoldHere(subscription, delivery, pause);
            TimeSpan growing = HoldBeforeReturn(subscription, delivery);
            return new Held(pause > growing ? pause : growing);
        });

    private static Held HoldHere(Subscription subscription, AmqpDelivery delivery, TimeSpan time)
    {
        subscription.Holds();
        delivery.Failures++;
        return new Held(time, Again: true);
    }

    private static (AmqpSettlement?, Held?) Moving(Task<Held?> move) => (null, new Held { Move = move });

    // Into the dead queue; held and tried again while that takes nothing.
    private async Task<Held?> BuryAsync(Subscription subscription, AmqpDelivery delivery, AmqpQueue? queue)
    {
        string dead = AmqpFailurePolicy.DeadQueueOf(delivery.Queue);
        if (await MoveAsync(delivery, DeadQueue(dead, queue), attempts: 0, Rejections.ReasonOf(delivery))
            .ConfigureAwait(false) is not { } failure)
        {
            subscription.DeadLetterError = null;
            delivery.MovedTo = dead;
            subscription.Rejected(delivery);
            delivery.Settle(AmqpSettlement.Ack);
            return null;
        }
        if (delivery.Lost.IsCancellationRequested)
            return null;
        delivery.IsDead = true;
        subscription.DeadLetterError = $"queue '{dead}' took nothing: {failure.Message}";
        TimeSpan longest = subscription.Options.OnFailure.Delays.Max();
        bool returns = subscription.Age(delivery) + longest > ReturnAfter;
        around.Events.NotDeadLettered(delivery, dead,
            returns ? "it returns to its queue" : $"next try in {StatusText.Seconds(longest)}", failure);
        if (returns)
            return new Held(HoldBeforeReturn(subscription, delivery));
        subscription.Holds();
        return new Held(Jittered(longest), Again: true);
    }

    // Into the retry queue; held otherwise.
    private async Task<Held?> PostponeAsync(Subscription subscription, AmqpDelivery delivery, TimeSpan delay,
        int failures, Func<Exception, Held> otherwise)
    {
        bool isQuorum = around.QueueNamed(delivery.Queue) is { IsQuorum: true };
        Exception? failure = await MoveAsync(delivery, RetryQueue(delivery.Queue, delay, isQuorum), failures,
            orElse: RetryQueue(delivery.Queue, delay, !isQuorum)).ConfigureAwait(false);
        if (failure is null)
            delivery.Settle(AmqpSettlement.Ack);
        if (failure is null || delivery.Lost.IsCancellationRequested)
            return null;
        around.Events.RetryFailed(delivery.Queue, failure);
        return otherwise(failure);
    }

    /// <returns>Null when the queue has confirmed it.</returns>
    private async Task<Exception?> MoveAsync(AmqpDelivery delivery, AmqpQueue to, int attempts, string? reason = null,
        AmqpQueue? orElse = null)
    {
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before = TakeTurn(to.Name, left.Task);
        try
        {
            AmqpMessage message = RetryHeaders.ForMove(delivery, delivery.Queue, to.Name, attempts, reason);
            try
            {
                await DeclareOnceAsync(to, orElse).WaitAsync(delivery.Lost).ConfigureAwait(false);
            }
            catch (AmqpTopologyException refused) when (refused.ReplyCode == 406 && reason is not null)
            {
                // There is a dead queue, made otherwise: whether it takes the message is for the broker to say.
            }
            await before.WaitAsync(delivery.Lost).ConfigureAwait(false); // they may all have waited for the queue
            // Once it is lost the broker delivers it again: a copy that has not left would only be one too many
            ValueTask published = around.Client.PublishAsync(message, delivery.Lost);
            left.SetResult();
            await published.ConfigureAwait(false);
            return null;
        }
        catch (Exception failure)
        {
            if (failure is not OperationCanceledException)
                _declared.TryRemove(to.Name, out _); // refused, or deleted since: the next one declares it again
            return failure;
        }
        finally
        {
            left.TrySetResult();
        }
    }

    // What goes to one queue leaves in the order in which it failed.
    private Task TakeTurn(string queue, Task left)
    {
        lock (_gate)
        {
            Task before = _left.GetValueOrDefault(queue, Task.CompletedTask);
            _left[queue] = left;
            return before;
        }
    }

    // At the first failure, so that what stands against it is known before anything is to go there.
    private async Task DeclareDeadQueueAsync(Subscription subscription, AmqpQueue? queue)
    {
        if (queue is { HasDeadLetterExchange: true })
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
    private Task DeclareOnceAsync(AmqpQueue queue, AmqpQueue? orElse = null)
    {
        if (_declared.TryGetValue(queue.Name, out Task? before) && before is { IsFaulted: false, IsCanceled: false })
            return before;
        Task declared = _declared[queue.Name] = DeclareAsync(queue, orElse);
        declared.Forget(); // those that wait for it may be lost before it ends
        return declared;
    }

    // Another client, which knows the type of the consumed queue or does not, may have made it of the other type.
    private async Task DeclareAsync(AmqpQueue queue, AmqpQueue? orElse)
    {
        try
        {
            await around.Client.DeclareAsync(new AmqpTopology().With(queue)).ConfigureAwait(false);
        }
        catch (AmqpTopologyException refused) when (refused.ReplyCode == 406 && orElse is not null)
        {
            try
            {
                await around.Client.DeclareAsync(new AmqpTopology().With(orElse)).ConfigureAwait(false);
            }
            catch (AmqpTopologyException)
            {
                throw refused; // it differs in more than that
            }
        }
    }

    // As safe as the queue that it is for: what returns to a quorum queue is kept until that has confirmed it.
    private static AmqpQueue RetryQueue(string queue, TimeSpan delay, bool isQuorum) => new()
    {
        Name = AmqpFailurePolicy.RetryQueueOf(queue, delay),
        Type = isQuorum ? AmqpQueueType.Quorum : default,
        MessageTtl = delay,
        DeadLetterExchange = "",
        DeadLetterRoutingKey = queue,
        Overflow = isQuorum ? AmqpOverflow.RejectPublish : null, // which the strategy requires
        Arguments = isQuorum ? AtLeastOnce : null,
    };

    private static AmqpQueue DeadQueue(string name, AmqpQueue? of)
        => new() { Name = name, Type = of is { IsQuorum: true } ? AmqpQueueType.Quorum : default };

    private TimeSpan Jittered(TimeSpan delay) => delay * (LeastJitter + ((MostJitter - LeastJitter) * around.Random()));
}
