using static SafeAmqp.Wire.FrameFormat;

namespace SafeAmqp.Wire;

/// <summary>How a frame looks (AMQP 0-9-1, section 4.2.3): type, channel (2 bytes), size of the payload (4 bytes),
/// payload, end.</summary>
internal static class FrameFormat
{
    /// <summary>RabbitMQ's own default; larger frames save nothing, smaller ones cost calls.</summary>
    internal const int MaxFrameSize = 128 * 1024;

    /// <summary>The most that a RabbitMQ can be set to take (<c>max_message_size</c>), in bytes.</summary>
    internal const long MaxBodySize = 512L << 20;

    /// <summary>Bytes before the payload.</summary>
    internal const int PrefixSize = 7;

    /// <summary>Bytes around the payload.</summary>
    internal const int Overhead = PrefixSize + 1;

    internal const byte FrameEnd = 0xCE;

    // The types of frames.
    internal const byte Method = 1, Header = 2, Body = 3, Heartbeat = 8;

    internal const ushort ClassBasic = 60;

    // Methods: class, then method.
    internal const uint ChannelOpen = (20 << 16) | 10, ChannelClose = (20 << 16) | 40, ChannelCloseOk = (20 << 16) | 41;
    internal const uint BasicConsumeOk = (60 << 16) | 21, BasicPublish = (60 << 16) | 40, BasicReturn = (60 << 16) | 50;
    internal const uint BasicDeliver = (60 << 16) | 60, BasicAck = (60 << 16) | 80, BasicNack = (60 << 16) | 120;
    internal const uint BasicGet = (60 << 16) | 70, BasicGetOk = (60 << 16) | 71, BasicGetEmpty = (60 << 16) | 72;
    internal const uint ConfirmSelect = (85 << 16) | 10;

    /// <summary>A whole heartbeat: no channel, no payload (AMQP 0-9-1, section 4.2.7).</summary>
    internal static ReadOnlySpan<byte> HeartbeatFrame => [Heartbeat, 0, 0, 0, 0, 0, 0, FrameEnd];
}

/// <summary>The rule that inbound bytes broke.</summary>
internal enum FrameRule
{
    /// <summary>The frame type is not method (1), header (2), body (3) or heartbeat (8).</summary>
    FrameType,

    /// <summary>The frame is larger than agreed, or too small for its kind.</summary>
    FrameSize,

    /// <summary>The frame does not end with 0xCE.</summary>
    FrameEnd,

    /// <summary>The message body announced is larger than the limit.</summary>
    BodySize,

    /// <summary>The method is none that a broker sends.</summary>
    Method,

    /// <summary>The content header is not of class basic (60).</summary>
    ContentClass,

    /// <summary>The content header sets property flags without a meaning.</summary>
    PropertyFlags,

    /// <summary>A field reaches beyond its frame or table.</summary>
    FieldLength,

    /// <summary>A table holds a value of an unknown type, or a decimal that is too long.</summary>
    FieldType,

    /// <summary>Tables and arrays are nested too deeply.</summary>
    TableDepth,

    /// <summary>A frame came that may not follow what came before on its channel.</summary>
    FrameOrder,
}

/// <summary>The peer sent bytes that break a rule. They end the link, and are not repeated here.</summary>
internal sealed class FrameViolationException(FrameRule rule, string message) : IOException(message)
{
    public FrameRule Rule { get; } = rule;

    /// <summary>The channel, when the frame announces a message: then it is the message that is wrong, and the broker
    /// sends it again on the next link.</summary>
    public ushort? Channel { get; set; }

    /// <summary>The size of the body announced, or of the frame when that is not known.</summary>
    public ulong ContentSize { get; set; }
}

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
        BasicDeliver => "s81ss"u8, // consumer tag, delivery tag, redelivered, exchange, routing key
        BasicAck => "81"u8, // delivery tag, multiple
        BasicNack => "81"u8, // delivery tag, bits
        BasicReturn => "2sss"u8, // code, text, exchange, routing key
        BasicGetOk => "81ss4"u8, // delivery tag, redelivered, exchange, routing key, count
        BasicConsumeOk => "s"u8, // consumer tag
        (60 << 16) | 30 => "s1"u8, // basic.cancel
        (60 << 16) | 31 => "s"u8, // basic.cancel-ok
        (50 << 16) | 11 => "s44"u8, // queue.declare-ok: name, messages, consumers
        (50 << 16) | 31 => "4"u8, // queue.purge-ok
        (50 << 16) | 41 => "4"u8, // queue.delete-ok
        (20 << 16) | 20 => "1"u8, // channel.flow
        ChannelClose => "2s22"u8, // code, text, class, method
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
