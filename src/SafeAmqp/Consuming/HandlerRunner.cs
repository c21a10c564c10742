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

    /// <summary>They are passed on to a loop: no user's handler runs.</summary>
    PassedOn,

    /// <summary>They are passed on to the calls whose replies they are.</summary>
    Reply,
}

/// <summary>Runs a user's handler on a delivery and settles it. Never throws: a handler harms only its own
/// delivery.</summary>
internal sealed class HandlerRunner(IAmqpClient client, AmqpHandler handler, ILogger logger, LogThrottle throttle,
    ClientObserver observer, DeliveryUse use)
{
    /// <summary>How long a delivery is kept at most that cannot be moved: far below the broker's acknowledgement
    /// time-out.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, Task> _retryQueues = [];

    internal async ValueTask RunAsync(Subscription subscription, AmqpDelivery delivery)
    {
        if (delivery.Flaw is { } flaw && !Takes(delivery, flaw))
            return;
        ClientObserver.Processing processing = use is DeliveryUse.Handler or DeliveryUse.Request
            && observer.SeesDeliveries ? observer.BeginProcess(delivery, use == DeliveryUse.Request) : default;
        if (subscription.Options.AutoAck)
            delivery.Settle(AmqpSettlement.Ack); // when it is taken up, so that the prefetch still bounds what waits
        AmqpSettlement? settlement;
        try
        {
            settlement = await handler(delivery, delivery.Lost).ConfigureAwait(false);
            if (!Enum.IsDefined(settlement.Value))
                throw new InvalidOperationException($"The handler returned {settlement}; it must return Ack, Requeue "
                    + $"or Reject.");
            processing.Handled(null);
        }
        catch (Exception error)
        {
            processing.Handled(error);
            settlement = delivery.Lost.IsCancellationRequested
                || delivery.IsSettled ? null : await FailAsync(subscription, delivery, error).ConfigureAwait(false);
        }
        if (settlement is { } done)
            delivery.Settle(done);
        processing.End(settlement);
    }

    // A request or a reply is taken all the same: its caller is told. Others would come again as they are: they are
    // rejected, whatever the failure policy says.
    private bool Takes(AmqpDelivery delivery, DeliveryFlaw flaw)
    {
        bool takes = use is DeliveryUse.Request or DeliveryUse.Reply;
        if (throttle.ShouldLog(delivery.Queue, flaw.Reason, out long suppressed))
            Log.DeliveryUnreadable(logger, delivery.Queue, delivery.DeliveryTag, flaw.Reason, suppressed);
        if (!takes)
            delivery.Settle(AmqpSettlement.Reject);
        return takes;
    }

    private async ValueTask<AmqpSettlement> FailAsync(Subscription subscription, AmqpDelivery delivery, Exception error)
    {
        AmqpFailurePolicy policy = subscription.Options.OnFailure;
        bool retry = policy.Attempts > RetryHeaders.Retries(delivery.Message.Headers);
        if (throttle.ShouldLog(delivery.Queue, error.GetType().Name, out long suppressed))
            Log.HandlerFailed(logger, delivery.Queue, delivery.DeliveryTag, PrintableId(delivery),
                retry ? $"retry in {policy.Delay}" : policy.Settlement.ToString(), suppressed, error);
        if (!retry)
            return policy.Settlement;
        try
        {
            await MoveAsync(delivery, policy.Delay).ConfigureAwait(false);
            return AmqpSettlement.Ack; // its copy waits in the retry queue, confirmed
        }
        catch (Exception failure)
        {
            if (throttle.ShouldLog(delivery.Queue, "retry", out long suppressedRetries))
                Log.RetryFailed(logger, delivery.Queue, suppressedRetries, failure);
            // If it were requeued at once, it would come back at once while the retry queue cannot be used.
            await subscription.PauseAsync(policy.Delay < LongestPause ? policy.Delay : LongestPause,
                delivery.Lost).ConfigureAwait(false);
            return AmqpSettlement.Requeue;
        }
    }

    // The peer chose it.
    private static string? PrintableId(AmqpDelivery delivery)
        => delivery.Message.MessageId is { } id ? StatusText.Printable(id) : null;

    private async Task MoveAsync(AmqpDelivery delivery, TimeSpan delay)
    {
        string retryQueue = string.Create(CultureInfo.InvariantCulture,
            $"{delivery.Queue}.retry.{(long)delay.TotalMilliseconds}");
        Task declared = _retryQueues.GetOrAdd(retryQueue, name
            => client.DeclareAsync(new AmqpTopology().With(new AmqpQueue
            {
                Name = name,
                MessageTtl = delay,
                DeadLetterExchange = "",
                DeadLetterRoutingKey = delivery.Queue,
            })).AsTask());
        try
        {
            await declared.ConfigureAwait(false);
            await client.PublishAsync(RetryHeaders.ForRetry(delivery.Message, retryQueue)).ConfigureAwait(false);
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

    /// <summary>RabbitMQ's count of a quorum queue's deliveries.</summary>
    private const string DeliveryCount = "x-delivery-count";

    internal static int PreviousAttempts(IReadOnlyDictionary<string, object?>? headers)
    {
        if (headers is null)
            return 0;
        return Retries(headers) is var retries and > 0 ? retries : Number(headers, DeliveryCount);
    }

    internal static int Retries(IReadOnlyDictionary<string, object?>? headers)
        => headers is null ? 0 : Number(headers, Attempts);

    /// <summary>The message as it goes to its retry queue.</summary>
    internal static AmqpMessage ForRetry(AmqpMessage message, string retryQueue)
    {
        var headers = message.Headers is null ? [] : new Dictionary<string, object?>(message.Headers);
        headers[Attempts] = (long)Retries(message.Headers) + 1;
        headers[Exchange] = message.Exchange;
        headers[RoutingKey] = message.RoutingKey;
        return message with
        {
            Exchange = "",
            RoutingKey = retryQueue,
            Headers = headers,
            Mandatory = true,
            Expiration = null, // the retry queue's own decides
            UserId = null, // the broker would refuse another user's
        };
    }

    /// <summary>The message with the address that it was published to, should it come from a retry queue.</summary>
    internal static AmqpMessage Restore(AmqpMessage message)
        => message.Headers is { } headers && headers.ContainsKey(Attempts)
            && headers.TryGetValue(Exchange, out object? exchange) && headers.TryGetValue(RoutingKey, out object? key)
            && exchange is string exchangeName && key is string routingKey
            ? message with { Exchange = exchangeName, RoutingKey = routingKey }
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
