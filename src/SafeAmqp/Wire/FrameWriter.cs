using System.Globalization;
using static SafeAmqp.Wire.FrameFormat;

namespace SafeAmqp.Wire;

/// <summary>
/// Puts what leaves in masses into frames: publishes and settlements. RabbitMQ.Client's own way there takes, for each
/// message, a rented array, a hop through its write loop's queue of 128 and a write of its own; this is most of what a
/// publish cost.
/// </summary>
internal static class FrameWriter
{
    /// <summary>A whole message: method, header, body frames.</summary>
    /// <param name="to">Where to write. After an exception it holds a part of the message.</param>
    /// <param name="channel">The channel's number.</param>
    /// <param name="message">The message.</param>
    /// <param name="slot">Goes along as a header, so that a return finds its publish; -1 for none.</param>
    /// <param name="maxFrame">The largest frame that was agreed upon, with its 8 bytes of framing.</param>
    internal static void Publish(FrameBuffer to, ushort channel, AmqpMessage message, int slot, int maxFrame)
    {
        int frame = Begin(to, Method, channel);
        to.Long(BasicPublish);
        to.Short(0);
        to.ShortString(message.Exchange);
        to.ShortString(message.RoutingKey);
        to.Octet((byte)(message.Mandatory ? 1 : 0));
        End(to, frame);

        frame = Begin(to, Header, channel);
        to.Short(ClassBasic);
        to.Short(0);
        to.LongLong((ulong)message.Body.Length);
        Properties(to, message, slot);
        End(to, frame);

        for (ReadOnlySpan<byte> rest = message.Body.Span; !rest.IsEmpty;)
        {
            ReadOnlySpan<byte> part = rest[..Math.Min(rest.Length, maxFrame - Overhead)];
            frame = Begin(to, Body, channel);
            to.Bytes(part);
            End(to, frame);
            rest = rest[part.Length..];
        }
    }

    internal static void Settle(FrameBuffer to, ushort channel, ulong tag, bool multiple, AmqpSettlement settlement)
    {
        int frame = Begin(to, Method, channel);
        to.Long(settlement == AmqpSettlement.Ack ? BasicAck : BasicNack);
        to.LongLong(tag);
        to.Octet((byte)((multiple ? 1 : 0) | (settlement == AmqpSettlement.Requeue ? 2 : 0)));
        End(to, frame);
    }

    // In the order of their flags, from bit 15 down (AMQP 0-9-1, section 4.2.6.1); bit 2 is a cluster id that nobody
    // uses.
    private static void Properties(FrameBuffer to, AmqpMessage message, int slot)
    {
        int at = to.SkipShort();
        int flags = 0;
        Text(to, message.ContentType, ref flags, 15);
        Text(to, message.ContentEncoding, ref flags, 14);
        if (slot >= 0 || message.Headers is { Count: > 0 })
        {
            flags |= 1 << 13;
            FieldTable.Write(to, message.Headers, slot);
        }
        flags |= 1 << 12;
        to.Octet((byte)(message.Persistent ? 2 : 1));
        if (message.Priority is { } priority)
        {
            flags |= 1 << 11;
            to.Octet(priority);
        }
        Text(to, message.CorrelationId, ref flags, 10);
        Text(to, message.ReplyTo, ref flags, 9);
        if (message.Expiration is { } expiration)
            Text(to, ((long)expiration.TotalMilliseconds).ToString(CultureInfo.InvariantCulture), ref flags, 8);
        Text(to, message.MessageId, ref flags, 7);
        if (message.Timestamp is { } timestamp)
        {
            flags |= 1 << 6;
            to.LongLong((ulong)timestamp.ToUnixTimeSeconds());
        }
        Text(to, message.Type, ref flags, 5);
        Text(to, message.UserId, ref flags, 4);
        Text(to, message.AppId, ref flags, 3);
        to.SetShort(at, (ushort)flags);
    }

    private static void Text(FrameBuffer to, string? text, ref int flags, int bit)
    {
        if (text is null)
            return;
        flags |= 1 << bit;
        to.ShortString(text);
    }

    private static int Begin(FrameBuffer to, byte type, ushort channel)
    {
        to.Octet(type);
        to.Short(channel);
        return to.BeginSized();
    }

    private static void End(FrameBuffer to, int frame)
    {
        to.EndSized(frame);
        to.Octet(FrameEnd);
    }
}
