using System.Collections;
using System.Globalization;
using System.Text;
using RabbitMQ.Client;

namespace SafeAmqp.Broker;

/// <summary>Maps messages to AMQP 0-9-1 basic properties and back.</summary>
internal static class MessageProperties
{
    /// <summary>Carries a mandatory message's place in the ledger, so that a return finds its publish. Taken off again on delivery.</summary>
    internal const string SlotHeader = "x-safeamqp-slot";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly IReadOnlyDictionary<string, object?> NoHeaders = new Dictionary<string, object?>();

    internal static void Fill(BasicProperties properties, IDictionary<string, object?> headers, AmqpMessage message, object? slot)
    {
        headers.Clear();
        if (message.Headers is { Count: > 0 } given)
        {
            foreach (var (key, value) in given)
                headers[key] = ToWire(value);
        }
        if (slot is not null)
            headers[SlotHeader] = slot;
        properties.Headers = headers;
        properties.DeliveryMode = message.Persistent ? DeliveryModes.Persistent : DeliveryModes.Transient;
        properties.ContentType = message.ContentType;
        properties.ContentEncoding = message.ContentEncoding;
        properties.CorrelationId = message.CorrelationId;
        properties.ReplyTo = message.ReplyTo;
        properties.Expiration = message.Expiration is { } expiration
            ? ((long)expiration.TotalMilliseconds).ToString(CultureInfo.InvariantCulture)
            : null;
        properties.MessageId = message.MessageId;
        properties.Type = message.Type;
        properties.UserId = message.UserId;
        properties.AppId = message.AppId;
        if (message.Priority is { } priority)
            properties.Priority = priority;
        else
            properties.ClearPriority();
        if (message.Timestamp is { } timestamp)
            properties.Timestamp = new AmqpTimestamp(timestamp.ToUnixTimeSeconds());
        else
            properties.ClearTimestamp();
    }

    internal static AmqpMessage ToMessage(string exchange, string routingKey, IReadOnlyBasicProperties properties, byte[] body) => new()
    {
        Exchange = exchange,
        RoutingKey = routingKey,
        Body = body,
        Persistent = properties.DeliveryMode == DeliveryModes.Persistent,
        Headers = Headers(properties),
        ContentType = properties.ContentType,
        ContentEncoding = properties.ContentEncoding,
        Priority = properties.IsPriorityPresent() ? properties.Priority : null,
        CorrelationId = properties.CorrelationId,
        ReplyTo = properties.ReplyTo,
        Expiration = Milliseconds(properties.Expiration),
        MessageId = properties.MessageId,
        Timestamp = properties.IsTimestampPresent() ? Time(properties.Timestamp.UnixTime) : null,
        Type = properties.Type,
        UserId = properties.UserId,
        AppId = properties.AppId,
    };

    internal static IDictionary<string, object?>? ToTable(IReadOnlyDictionary<string, object?>? table)
        => table is null ? null : table.ToDictionary(pair => pair.Key, pair => ToWire(pair.Value));

    private static object? ToWire(object? value) => value switch
    {
        DateTimeOffset time => new AmqpTimestamp(time.ToUnixTimeSeconds()),
        ulong large => (long)large, // Check.Headers has refused what is larger
        IReadOnlyDictionary<string, object?> table => ToTable(table),
        byte[] => value,
        IList list => list.Cast<object?>().Select(ToWire).ToList(),
        _ => value,
    };

    private static IReadOnlyDictionary<string, object?> Headers(IReadOnlyBasicProperties properties)
    {
        if (properties.Headers is not { Count: > 0 } table)
            return NoHeaders;
        var headers = new Dictionary<string, object?>(table.Count);
        foreach (var (key, value) in table)
        {
            if (key != SlotHeader)
                headers[key] = FromWire(value);
        }
        return headers;
    }

    private static object? FromWire(object? value) => value switch
    {
        byte[] bytes => Text(bytes),
        AmqpTimestamp time => Time(time.UnixTime) is { } known ? known : time.UnixTime,
        IDictionary<string, object?> table => table.ToDictionary(pair => pair.Key, pair => FromWire(pair.Value)),
        BinaryTableValue binary => binary.Bytes,
        IList list => list.Cast<object?>().Select(FromWire).ToList(),
        _ => value,
    };

    // Long strings carry text or bytes, the protocol does not tell which (AMQP 0-9-1, section 4.2.5.3).
    private static object Text(byte[] bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return bytes;
        }
    }

    // Peers write anything into these two; what makes no sense counts as not given.
    private static TimeSpan? Milliseconds(string? text)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= uint.MaxValue ? TimeSpan.FromMilliseconds(value) : null;

    private static DateTimeOffset? Time(long unixSeconds)
        => unixSeconds >= DateTimeOffset.MinValue.ToUnixTimeSeconds() && unixSeconds <= DateTimeOffset.MaxValue.ToUnixTimeSeconds()
            ? DateTimeOffset.FromUnixTimeSeconds(unixSeconds)
            : null;
}
