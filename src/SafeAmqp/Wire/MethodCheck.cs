namespace SafeAmqp.Wire;

/// <summary>Checks the arguments of a whole method: each must lie inside the frame. Bytes after the last one are
/// allowed, as RabbitMQ.Client ignores them.</summary>
internal static class MethodCheck
{
    internal static void Check(uint id, FieldReader reader)
    {
        ReadOnlySpan<byte> arguments = Arguments(id);
        // RabbitMQ.Client takes a method that it does not know for the answer to its last question, and goes on.
        if (arguments.IsEmpty && !IsKnownWithoutArguments(id))
        {
            throw new FrameViolationException(FrameRule.Method,
                $"The peer sent method {id >> 16}.{id & 0xFFFF}, which no broker sends.");
        }
        foreach (byte field in arguments)
        {
            switch (field)
            {
                case (byte)'s':
                    reader.ShortBytes();
                    break;
                case (byte)'S':
                    reader.LongBytes();
                    break;
                case (byte)'T':
                    reader.SkipTableForClient();
                    break;
                default:
                    reader.Skip(field - '0');
                    break;
            }
        }
    }

    /// <summary>The arguments of every method that RabbitMQ.Client parses from a server: s is a short string, S a long
    /// string, T a table, a digit that many bytes.</summary>
    private static ReadOnlySpan<byte> Arguments(uint id) => id switch
    {
        (60 << 16) | 60 => "s81ss"u8, // basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key
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

    /// <summary>The methods that a server sends without arguments, or with reserved ones that RabbitMQ.Client does not
    /// read.</summary>
    private static bool IsKnownWithoutArguments(uint id) => (id >> 16, id & 0xFFFF) is
        (10, 41 or 51 or 61 or 71) // connection.open-ok, close-ok, unblocked, update-secret-ok
        or (20, 11 or 21 or 41) // channel.open-ok, flow-ok, close-ok
        or (40, 11 or 21 or 31 or 51) // exchange.declare-ok, delete-ok, bind-ok, unbind-ok
        or (50, 21 or 51) // queue.bind-ok, unbind-ok
        or (60, 11 or 72 or 111) // basic.qos-ok, get-empty, recover-ok
        or (85, 11) // confirm.select-ok
        or (90, 11 or 21 or 31); // tx.select-ok, commit-ok, rollback-ok
}
