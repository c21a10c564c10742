using System.Globalization;

namespace SafeAmqp.Consuming;

/// <summary>The headers by which a delivery's attempts are counted over its stays in a retry queue.</summary>
internal static class RetryHeaders
{
    internal const string Attempts = "x-safeamqp-attempts";

    // Whose attempts these are: headers stay with a message that a dead-letter exchange or a handler takes elsewhere.
    private const string Queue = "x-safeamqp-queue";

    // A message comes back from its retry queue through the default exchange: its own address is kept here and put
    // back.
    private const string Exchange = "x-safeamqp-exchange";
    private const string RoutingKey = "x-safeamqp-routing-key";

    // While it waited there it would have decided when the message comes back, and the broker takes it away then.
    private const string Expiration = "x-safeamqp-expiration";

    // Why it is in its dead queue, for people.
    private const string Reason = "x-safeamqp-reason";

    /// <summary>RabbitMQ's count of a quorum queue's deliveries.</summary>
    private const string DeliveryCount = "x-delivery-count";

    internal static int PreviousAttempts(IReadOnlyDictionary<string, object?>? headers, string queue)
    {
        if (headers is null)
            return 0;
        return Retries(headers, queue) is var retries and > 0 ? retries : Number(headers, DeliveryCount);
    }

    /// <summary>How often a message has come back to its quorum queue; null when it is not counted.</summary>
    internal static int? Returns(IReadOnlyDictionary<string, object?>? headers)
        => headers?.ContainsKey(DeliveryCount) == true ? Number(headers, DeliveryCount) : null;

    /// <summary>How often a message has failed in this queue and come back from a retry queue.</summary>
    internal static int Retries(IReadOnlyDictionary<string, object?>? headers, string queue)
        => headers is not null && (!headers.TryGetValue(Queue, out object? of) || queue.Equals(of))
            ? Number(headers, Attempts) : 0;

    /// <summary>Both together: a peer may have written the largest number there is.</summary>
    internal static int Sum(int failures, int counted) => (int)Math.Min(int.MaxValue, (long)failures + counted);

    /// <summary>The message as it goes to its retry queue or its dead queue, or back from there.</summary>
    /// <param name="message">The message.</param>
    /// <param name="queue">The queue that it was delivered from.</param>
    /// <param name="to">Where it goes.</param>
    /// <param name="attempts">How often it has failed in <paramref name="queue"/>.</param>
    /// <param name="reason">Why it is dead.</param>
    internal static AmqpMessage ForMove(
        AmqpMessage message, string queue, string to, int attempts, string? reason = null)
    {
        var added = new Dictionary<string, object?>
        {
            [Attempts] = (long)attempts,
            [Queue] = queue,
            [Exchange] = message.Exchange,
            [RoutingKey] = message.RoutingKey,
        };
        if (message.Expiration is { } expiration)
            added[Expiration] = (long)expiration.TotalMilliseconds;
        if (reason is not null)
            added[Reason] = reason;
        var headers = message.Headers is null ? [] : new Dictionary<string, object?>(message.Headers);
        foreach (string name in Dropped)
            headers.Remove(name);
        foreach (var (name, value) in added)
            headers[name] = value;
        return message with
        {
            PassedOn = new PassedOn(added, Dropped, Without),
            Exchange = "",
            RoutingKey = to,
            Headers = headers,
            Mandatory = true,
            Expiration = null, // a retry queue's own decides
            UserId = null, // the broker would refuse another user's
        };
    }

    /// <summary>A delivery's message as it goes there. One that cannot be read goes without its headers, or without any
    /// of its properties where it is not known which is where.</summary>
    internal static AmqpMessage ForMove(
        AmqpDelivery delivery, string queue, string to, int attempts, string? reason = null)
    {
        AmqpMessage message = ForMove(delivery.Message, queue, to, attempts, reason);
        return delivery.Flaw is null ? message : WithoutUnreadable(message, delivery.Message);
    }

    private static AmqpMessage WithoutUnreadable(AmqpMessage moved, AmqpMessage message) => moved with
    {
        Received = message.Headers is null ? default : moved.Received,
        PassedOn = message.Headers is null ? null : moved.PassedOn! with { Without = WithoutHeaders },
    };

    // The queues that these name have their copies; the broker counts returns anew; a slot is of an earlier journey.
    private static readonly HashSet<string> Dropped = ["CC", "BCC", DeliveryCount, "x-safeamqp-slot", Reason];

    private static readonly HashSet<AmqpProperty> Without = [AmqpProperty.Expiration, AmqpProperty.UserId];

    private static readonly HashSet<AmqpProperty> WithoutHeaders = [.. Without, AmqpProperty.Headers];

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
