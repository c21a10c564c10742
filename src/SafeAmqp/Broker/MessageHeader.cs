using System.Globalization;

namespace SafeAmqp.Broker;

/// <summary>Reads the properties of a message that came (AMQP 0-9-1, section 4.2.6.1).</summary>
internal static class MessageHeader
{
    private static readonly IReadOnlyDictionary<string, object?> NoHeaders = new Dictionary<string, object?>();

    /// <summary>Makes the message, with its body, from a content header's flags and properties.</summary>
    internal static AmqpMessage Read(ReadOnlySpan<byte> properties, string exchange, string routingKey, byte[] body)
    {
        var reader = new FieldReader(properties);
        int flags = reader.Short();
        // In this order on the wire; an initializer's expressions are evaluated as they are written.
        return new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = routingKey,
            Body = body,
            ContentType = Has(flags, 15) ? reader.ShortString() : null,
            ContentEncoding = Has(flags, 14) ? reader.ShortString() : null,
            Headers = Has(flags, 13) ? reader.Table(except: MessageProperties.SlotHeader) : NoHeaders,
            Persistent = Has(flags, 12) && reader.Octet() == 2,
            Priority = Has(flags, 11) ? reader.Octet() : null,
            CorrelationId = Has(flags, 10) ? reader.ShortString() : null,
            ReplyTo = Has(flags, 9) ? reader.ShortString() : null,
            Expiration = Has(flags, 8) ? Milliseconds(reader.ShortString()) : null,
            MessageId = Has(flags, 7) ? reader.ShortString() : null,
            Timestamp = Has(flags, 6) ? FieldReader.TimeOf((long)reader.LongLong()) : null,
            Type = Has(flags, 5) ? reader.ShortString() : null,
            UserId = Has(flags, 4) ? reader.ShortString() : null,
            AppId = Has(flags, 3) ? reader.ShortString() : null,
        };
    }

    /// <summary>The place in the ledger that a mandatory message carries.</summary>
    internal static int? Slot(ReadOnlySpan<byte> properties)
    {
        var reader = new FieldReader(properties);
        int flags = reader.Short();
        if (Has(flags, 15))
            reader.ShortBytes();
        if (Has(flags, 14))
            reader.ShortBytes();
        return Has(flags, 13) ? reader.FindInt32(MessageProperties.SlotHeaderName) : null;
    }

    private static bool Has(int flags, int bit) => (flags & (1 << bit)) != 0;

    // Peers write anything into it; what makes no sense counts as not given.
    private static TimeSpan? Milliseconds(string text)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= uint.MaxValue ? TimeSpan.FromMilliseconds(value) : null;
}
