using System.Globalization;

namespace SafeAmqp.Consuming;

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
