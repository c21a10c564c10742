using System.Buffers.Binary;

namespace SafeAmqp.Transport;

/// <summary>
/// Checks the fields of one whole method or content header: each must lie inside the frame. Bytes after the last field are
/// allowed, as the parser ignores them.
/// </summary>
internal static class PayloadCheck
{
    private const int ClassBasic = 60;
    private const int ReservedFlags = 0b11;

    public static void Method(ReadOnlySpan<byte> payload)
    {
        var cursor = new FieldCursor(payload);
        uint id = cursor.UInt32();
        ReadOnlySpan<byte> arguments = Arguments(id);
        // RabbitMQ.Client takes a method that it does not know for the answer to whatever it asked last, and goes on.
        if (arguments.IsEmpty && !IsKnownWithoutArguments(id))
            throw new FrameGuardException(FrameRule.Method, $"The peer sent method {id >> 16}.{id & 0xFFFF}, which no broker sends.");
        foreach (byte field in arguments)
        {
            switch (field)
            {
                case (byte)'s': cursor.ShortString(); break;
                case (byte)'S': cursor.LongString(); break;
                case (byte)'T': cursor.Table(); break;
                default: cursor.Skip(field - '0'); break;
            }
        }
    }

    public static void ContentHeader(ReadOnlySpan<byte> payload, long maxBodySize)
    {
        // class (2), weight (2), body size (8), property flags (2)
        if (payload.Length < 14)
            throw new FrameGuardException(FrameRule.FrameSize, $"The peer sent a content header of {payload.Length} bytes; the least is 14.");

        ushort classId = BinaryPrimitives.ReadUInt16BigEndian(payload);
        if (classId != ClassBasic)
            throw new FrameGuardException(FrameRule.ContentClass, $"The peer sent a content header of class {classId}; only {ClassBasic} is known.");

        ulong bodySize = BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);
        if (bodySize > (ulong)maxBodySize)
            throw new FrameGuardException(FrameRule.BodySize, $"The peer announced a message of {bodySize} bytes; the limit is {maxBodySize}.");

        Properties(payload[12..]);
    }

    private static void Properties(ReadOnlySpan<byte> properties)
    {
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(properties);
        // Bit 0 says that a second word of flags follows, which the parser would read as the first property's value. Bit 1 is unused.
        if ((flags & ReservedFlags) != 0)
            throw new FrameGuardException(FrameRule.PropertyFlags, $"The peer sent property flags 0x{flags:X4}; the last two bits must be 0.");

        var cursor = new FieldCursor(properties[2..]);
        // From bit 15 down: content type, encoding, headers, delivery mode, priority, correlation id, reply to, expiration,
        // message id, timestamp, type, user id, app id, cluster id.
        foreach (byte field in "ssT11ssss8ssss"u8)
        {
            if ((flags & 0x8000) != 0)
            {
                switch (field)
                {
                    case (byte)'s': cursor.ShortString(); break;
                    case (byte)'T': cursor.Table(); break;
                    default: cursor.Skip(field - '0'); break;
                }
            }

            flags <<= 1;
        }
    }

    /// <summary>
    /// The arguments of every method that RabbitMQ.Client parses from a server: s short string, S long string, T table, a digit
    /// that many bytes.
    /// </summary>
    private static ReadOnlySpan<byte> Arguments(uint id) => id switch
    {
        (60 << 16) | 60 => "s81ss"u8, // basic.deliver: tag of the consumer, delivery tag, redelivered, exchange, routing key
        (60 << 16) | 80 => "81"u8, // basic.ack: delivery tag, multiple
        (60 << 16) | 120 => "81"u8, // basic.nack: delivery tag, bits
        (60 << 16) | 50 => "2sss"u8, // basic.return: code, text, exchange, routing key
        (60 << 16) | 71 => "81ss4"u8, // basic.get-ok: delivery tag, redelivered, exchange, routing key, count
        (60 << 16) | 21 => "s"u8, // basic.consume-ok
        (60 << 16) | 30 => "s1"u8, // basic.cancel
        (60 << 16) | 31 => "s"u8, // basic.cancel-ok
        (50 << 16) | 11 => "s44"u8, // queue.declare-ok: name, messages, consumers
        (50 << 16) | 31 => "4"u8, // queue.purge-ok
        (50 << 16) | 41 => "4"u8, // queue.delete-ok
        (20 << 16) | 20 => "1"u8, // channel.flow
        (20 << 16) | 40 => "2s22"u8, // channel.close: code, text, class, method
        (10 << 16) | 10 => "11TSS"u8, // connection.start: version, server properties, mechanisms, locales
        (10 << 16) | 20 => "S"u8, // connection.secure
        (10 << 16) | 30 => "242"u8, // connection.tune: channel-max, frame-max, heartbeat
        (10 << 16) | 50 => "2s22"u8, // connection.close: code, text, class, method
        (10 << 16) | 60 => "s"u8, // connection.blocked
        _ => default,
    };

    /// <summary>The methods that a server sends without arguments, or with reserved ones that RabbitMQ.Client does not read.</summary>
    private static bool IsKnownWithoutArguments(uint id) => (id >> 16, id & 0xFFFF) is
        (10, 41 or 51 or 61 or 71) // connection.open-ok, close-ok, unblocked, update-secret-ok
        or (20, 11 or 21 or 41) // channel.open-ok, flow-ok, close-ok
        or (40, 11 or 21 or 31 or 51) // exchange.declare-ok, delete-ok, bind-ok, unbind-ok
        or (50, 21 or 51) // queue.bind-ok, unbind-ok
        or (60, 11 or 72 or 111) // basic.qos-ok, get-empty, recover-ok
        or (85, 11) // confirm.select-ok
        or (90, 11 or 21 or 31); // tx.select-ok, commit-ok, rollback-ok
}
