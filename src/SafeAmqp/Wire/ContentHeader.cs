using System.Buffers.Binary;
using System.Globalization;

namespace SafeAmqp.Wire;

/// <summary>
/// Reads a content header (AMQP 0-9-1, section 4.2.6.1): class, weight, size of the body, flags, properties.
/// </summary>
internal static class ContentHeader
{
    /// <summary>Bytes before the flags.</summary>
    internal const int PrefixSize = 12;

    private const int ReservedFlags = 0b11;

    private static readonly IReadOnlyDictionary<string, object?> NoHeaders = new Dictionary<string, object?>();

    /// <summary>Checks what comes before the properties.</summary>
    /// <returns>The size of the body, in bytes.</returns>
    internal static long BodySize(ReadOnlySpan<byte> payload, long maxBodySize)
    {
        if (payload.Length < PrefixSize + 2)
        {
            throw new FrameViolationException(FrameRule.FrameSize,
                $"The peer sent a content header of {payload.Length} bytes; the least is {PrefixSize + 2}.");
        }
        ushort classId = BinaryPrimitives.ReadUInt16BigEndian(payload);
        if (classId != FrameFormat.ClassBasic)
        {
            throw new FrameViolationException(FrameRule.ContentClass,
                $"The peer sent a content header of class {classId}; only {FrameFormat.ClassBasic} is known.");
        }
        ulong size = AnnouncedSize(payload);
        if (size > (ulong)maxBodySize)
        {
            throw new FrameViolationException(FrameRule.BodySize,
                $"The peer announced a message of {size} bytes; the limit is {maxBodySize}.");
        }
        return (long)size;
    }

    /// <summary>
    /// The size that a header announces, whether or not it is right; that of the header when it is too short.
    /// </summary>
    internal static ulong AnnouncedSize(ReadOnlySpan<byte> payload)
        => payload.Length < PrefixSize ? (ulong)payload.Length : BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);

    /// <summary>Makes the message, with its body, from the flags and properties.</summary>
    internal static AmqpMessage Read(ReadOnlySpan<byte> properties, string exchange, string routingKey, byte[] body)
    {
        var reader = new FieldReader(properties);
        int flags = Flags(ref reader);
        // In this order on the wire; an initializer's expressions are evaluated as they are written.
        var message = new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = routingKey,
            Body = body,
            ContentType = Has(flags, 15) ? reader.ShortString() : null,
            ContentEncoding = Has(flags, 14) ? reader.ShortString() : null,
            Headers = Has(flags, 13) ? reader.Table(except: FieldTable.SlotHeader) : NoHeaders,
            Persistent = Has(flags, 12) && reader.Octet() == 2,
            Priority = Has(flags, 11) ? reader.Octet() : null,
            CorrelationId = Has(flags, 10) ? reader.ShortString() : null,
            ReplyTo = Has(flags, 9) ? reader.ShortString() : null,
            Expiration = Has(flags, 8) ? Milliseconds(reader.ShortString()) : null,
            MessageId = Has(flags, 7) ? reader.ShortString() : null,
            Timestamp = Has(flags, 6) ? reader.Time() : null,
            Type = Has(flags, 5) ? reader.ShortString() : null,
            UserId = Has(flags, 4) ? reader.ShortString() : null,
            AppId = Has(flags, 3) ? reader.ShortString() : null,
        };
        if (Has(flags, 2))
            reader.ShortBytes(); // a cluster id, which is not used
        return message;
    }

    /// <summary>
    /// Checks the properties without reading them, but for the slot that a mandatory message carries.
    /// </summary>
    /// <returns>The slot; null when there is none.</returns>
    internal static int? Slot(ReadOnlySpan<byte> properties)
    {
        var reader = new FieldReader(properties);
        int flags = Flags(ref reader);
        int? slot = null;
        // From bit 15 down, s for a short string, T for the headers, a digit for so many bytes: content type, encoding,
        // headers, delivery mode, priority, correlation id, reply to, expiration, message id, timestamp, type, user id,
        // app id, cluster id.
        int bit = 15;
        foreach (byte field in "ssT11ssss8ssss"u8)
        {
            if (!Has(flags, bit--))
                continue;
            switch (field)
            {
                case (byte)'s':
                    reader.ShortBytes();
                    break;
                case (byte)'T':
                    slot = reader.FindInt32(FieldTable.SlotHeaderName);
                    break;
                default:
                    reader.Skip(field - '0');
                    break;
            }
        }
        return slot;
    }

    private static int Flags(ref FieldReader reader)
    {
        int flags = reader.Short();
        // Bit 0 says that a second word of flags follows, which RabbitMQ.Client would read as the first property's
        // value. Bit 1 is unused.
        if ((flags & ReservedFlags) != 0)
        {
            throw new FrameViolationException(FrameRule.PropertyFlags,
                $"The peer sent property flags 0x{flags:X4}; the last two bits must be 0.");
        }
        return flags;
    }

    private static bool Has(int flags, int bit) => (flags & (1 << bit)) != 0;

    // Peers write anything into it; what makes no sense counts as not given.
    private static TimeSpan? Milliseconds(string text)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            && value <= uint.MaxValue
            ? TimeSpan.FromMilliseconds(value)
            : null;
}
