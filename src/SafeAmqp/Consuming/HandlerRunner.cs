using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>What a consumer's deliveries are for.</summary>
internal enum DeliveryUse
{
    Handler,

    /// <summary>A caller waits for the answer.</summary>
    Request,

    /// <summary>They are passed on to the calls whose replies they are: no user's handler runs.</summary>
    Reply,
}

/// <summary>What the handlers of a client have in common.</summary>
/// <param name="Client">Where retries are published.</param>
/// <param name="Logger">Where failures are logged.</param>
/// <param name="Throttle">Keeps repeated failures out of the log.</param>
/// <param name="Observer">Watches handlers.</param>
/// <param name="IsDisposed">Whether the client has got to the point from which nothing new is taken: handlers that
/// still run fail over that.</param>
/// <param name="ReturnsLeft">How often a delivery may still go back before its queue drops it; null where it may
/// without end, would be dead-lettered, or nothing is known.</param>
/// <param name="Random">From 0 to below 1, for jitter.</param>
internal sealed record HandlerSurroundings(IAmqpClient Client, ILogger Logger, LogThrottle Throttle,
    ClientObserver Observer, Func<bool> IsDisposed, Func<AmqpDelivery, long?> ReturnsLeft, Func<double> Random);

/// <summary>Runs a user's handler on a delivery and settles it. Never throws: a handler harms only its own
/// delivery.</summary>
internal sealed class HandlerRunner(HandlerSurroundings around, AmqpHandler handler, DeliveryUse use)
{
    /// <summary>How long a delivery is kept at most that cannot be moved: far below the broker's acknowledgement
    /// time-out.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>How many returns before the last one is warned of.</summary>
    private const int FewReturns = 5;

    private readonly ConcurrentDictionary<string, Task> _retryQueues = [];
    private readonly FailureBook _failures = new(around.Random);

    /// <inheritdoc cref="DeliveryHandler"/>
    internal async ValueTask<TimeSpan?> RunAsync(Subscription subscription, AmqpDelivery delivery)
    {
        ClientObserver observer = around.Observer;
        ClientObserver.Processing processing = use != DeliveryUse.Reply
            && observer.SeesDeliveries ? observer.BeginProcess(delivery, use == DeliveryUse.Request) : default;
        if (subscription.Options.AutoAck)
            delivery.Settle(AmqpSettlement.Ack); // when it is taken up, so that the prefetch still bounds what waits
        AmqpSettlement? settlement = null;
        TimeSpan? hold = null;
        try
        {
            settlement = await handler(delivery, delivery.Lost).ConfigureAwait(false);
            if (!Enum.IsDefined(settlement.Value))
                throw new InvalidOperationException($"The handler returned {settlement}; it must return Ack, Requeue "
                    + $"or Reject.");
            processing.Handled(null);
            if (settlement == AmqpSettlement.Requeue && !delivery.IsSettled)
                hold = HoldBeforeReturn(subscription, delivery);
            else
                _failures.Forget(delivery);
        }
        catch (Exception error)
        {
            bool isOver = delivery.Lost.IsCancellationRequested || delivery.IsSettled;
            bool isNotDone = !isOver && (delivery.Stop.Explains(error) || around.IsDisposed());
            processing.Handled(isNotDone ? null : error);
            if (subscription.Options.AutoAck && isOver && !delivery.Lost.IsCancellationRequested)
                Lose(subscription, delivery, error);
            if (isNotDone)
                (settlement, hold) = (AmqpSettlement.Requeue, Timeout.InfiniteTimeSpan);
            else if (!isOver && error is AmqpUnreadableException)
                (settlement, delivery.Fault, delivery.RejectedOver) = (AmqpSettlement.Reject, error, error.Message);
            else if (!isOver)
                (settlement, hold) = await FailAsync(subscription, delivery, error).ConfigureAwait(false);
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

    private async ValueTask<(AmqpSettlement, TimeSpan?)> FailAsync(Subscription subscription, AmqpDelivery delivery,
        Exception error)
    {
        AmqpFailurePolicy policy = subscription.Options.OnFailure;
        bool retry = policy.Attempts > (delivery.StreamOffset is null
            ? RetryHeaders.Retries(delivery.Message.Headers) : delivery.Failures);
        if (around.Throttle.ShouldLog(delivery.Queue, error.GetType().Name, out long suppressed))
            Log.HandlerFailed(around.Logger, delivery.Queue, delivery.DeliveryTag, PrintableId(delivery),
                retry ? $"retry in {policy.Delay}" : policy.Settlement.ToString(), suppressed, error);
        delivery.Failures++;
        if (!retry)
            delivery.RejectedOver = policy.Attempts > 0
                ? $"its handler failed, and none of its {policy.Attempts} retries is left" : "its handler failed";
        if (!retry)
            return policy.Settlement == AmqpSettlement.Requeue
                ? (AmqpSettlement.Requeue, HoldBeforeReturn(subscription, delivery)) : (policy.Settlement, null);
        if (delivery.StreamOffset is not null)
            return (AmqpSettlement.Requeue, policy.Delay);
        try
        {
            await MoveAsync(delivery, policy).ConfigureAwait(false);
            return (AmqpSettlement.Ack, null); // its copy waits in the retry queue, confirmed
        }
        catch (Exception failure)
        {
            if (around.Throttle.ShouldLog(delivery.Queue, "retry", out long suppressedRetries))
                Log.RetryFailed(around.Logger, delivery.Queue, suppressedRetries, failure);
            TimeSpan growing = HoldBeforeReturn(subscription, delivery);
            TimeSpan pause = policy.Delay < LongestPause ? policy.Delay : LongestPause;
            return (AmqpSettlement.Requeue, pause > growing ? pause : growing);
        }
    }

    private TimeSpan HoldBeforeReturn(Subscription subscription, AmqpDelivery delivery)
    {
        if (around.ReturnsLeft(delivery) is { } left and <= FewReturns
            && around.Throttle.ShouldLog(delivery.Queue, $"{left} returns left", out long suppressed))
            Log.FewReturnsLeft(around.Logger, delivery.Queue, delivery.DeliveryTag, PrintableId(delivery), left,
                suppressed);
        return _failures.NextHold(delivery, subscription.Time);
    }

    // The peer chose it.
    private static string? PrintableId(AmqpDelivery delivery)
        => delivery.Message.MessageId is { } id ? StatusText.Printable(id) : null;

    private async Task MoveAsync(AmqpDelivery delivery, AmqpFailurePolicy policy)
    {
        string retryQueue = policy.RetryQueueOf(delivery.Queue);
        Task declared = _retryQueues.GetOrAdd(retryQueue, name
            => around.Client.DeclareAsync(new AmqpTopology().With(new AmqpQueue
            {
                Name = name,
                MessageTtl = policy.Delay,
                DeadLetterExchange = "",
                DeadLetterRoutingKey = delivery.Queue,
            })).AsTask());
        try
        {
            await declared.ConfigureAwait(false);
            await around.Client.PublishAsync(RetryHeaders.ForRetry(delivery.Message, retryQueue)).ConfigureAwait(false);
        }
        catch
        {
            // Refused, or deleted since: the next delivery declares it again
            _retryQueues.TryRemove(KeyValuePair.Create(retryQueue, declared));
            throw;
        }
    }
}

/// <summary>The headers by which a delivery's attempts are counted over its stays in a retry queue.</summary>
internal static class RetryHeaders
{
    internal const string Attempts = "x-safeamqp-attempts";

    // A message comes back from its retry queue through the default exchange: its own address is kept here and put
    // back.
    private const string Exchange = "x-safeamqp-exchange";
    private const string RoutingKey = "x-safeamqp-routing-key";

    // While it waited there it would have decided when the message comes back, and the broker takes it away then.
    private const string Expiration = "x-safeamqp-expiration";

    /// <summary>RabbitMQ's count of a quorum queue's deliveries.</summary>
    private const string DeliveryCount = "x-delivery-count";

    internal static int PreviousAttempts(IReadOnlyDictionary<string, object?>? headers)
    {
        if (headers is null)
            return 0;
        return Retries(headers) is var retries and > 0 ? retries : Number(headers, DeliveryCount);
    }

    /// <summary>How often a message has come back to its quorum queue; null when nobody counts.</summary>
    internal static int? Returns(IReadOnlyDictionary<string, object?>? headers)
        => headers?.ContainsKey(DeliveryCount) == true ? Number(headers, DeliveryCount) : null;

    internal static int Retries(IReadOnlyDictionary<string, object?>? headers)
        => headers is null ? 0 : Number(headers, Attempts);

    /// <summary>The message as it goes to its retry queue.</summary>
    internal static AmqpMessage ForRetry(AmqpMessage message, string retryQueue)
    {
        var added = new Dictionary<string, object?>
        {
            [Attempts] = (long)Retries(message.Headers) + 1,
            [Exchange] = message.Exchange,
            [RoutingKey] = message.RoutingKey,
        };
        if (message.Expiration is { } expiration)
            added[Expiration] = (long)expiration.TotalMilliseconds;
        var headers = message.Headers is null ? [] : new Dictionary<string, object?>(message.Headers);
        foreach (string name in Dropped)
            headers.Remove(name);
        foreach (var (name, value) in added)
            headers[name] = value;
        return message with
        {
            PassedOn = new PassedOn(added, Dropped, Without),
            Exchange = "",
            RoutingKey = retryQueue,
            Headers = headers,
            Mandatory = true,
            Expiration = null, // the retry queue's own decides
            UserId = null, // the broker would refuse another user's
        };
    }

    // The queues that these name have their copies; the broker counts returns anew; a slot is of an earlier journey.
    private static readonly HashSet<string> Dropped = ["CC", "BCC", DeliveryCount, "x-safeamqp-slot"];

    private static readonly HashSet<AmqpProperty> Without = [AmqpProperty.Expiration, AmqpProperty.UserId];

    /// <summary>The message with the address and the expiration that it was published with, should it come from a retry
    /// queue.</summary>
    internal static AmqpMessage Restore(AmqpMessage message)
        => message.Headers is { } headers && headers.ContainsKey(Attempts)
            && headers.TryGetValue(Exchange, out object? exchange) && headers.TryGetValue(RoutingKey, out object? key)
            && exchange is string exchangeName && key is string routingKey
            ? message with
            {
                Exchange = exchangeName,
                RoutingKey = routingKey,
                Expiration = headers.GetValueOrDefault(Expiration) is long and >= 0 and <= uint.MaxValue and var ms
                    ? TimeSpan.FromMilliseconds(ms) : message.Expiration,
            }
            : message;

    // Peers may write anything there.
    private static int Number(IReadOnlyDictionary<string, object?> headers, string name)
    {
        if (!headers.TryGetValue(name, out object? value)
            || value is not (byte or sbyte or short or ushort or int or uint or long))
            return 0;
        return (int)Math.Clamp(Convert.ToInt64(value, CultureInfo.InvariantCulture), 0, int.MaxValue);
    }
}
