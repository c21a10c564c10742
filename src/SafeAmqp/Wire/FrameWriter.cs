using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using static SafeAmqp.Wire.FrameFormat;

namespace SafeAmqp.Wire;

/// <summary>Puts into frames what does not go through RabbitMQ.Client: publishes and settlements, which leave in
/// masses, basic.get and confirm.select. Its own way takes, for each message, a rented array, a hop through its write
/// loop's queue of 128 and a write of its own; this is most of what a publish cost.</summary>
internal static class FrameWriter
{
    /// <summary>A whole message: method, header, body frames.</summary>
    /// <param name="to">Where to write. After an exception it holds a part of the message.</param>
    /// <param name="channel">The channel's number.</param>
    /// <param name="message">The message.</param>
    /// <param name="slot">Goes along as a header, so that a return finds its publish; -1 for none.</param>
    /// <param name="maxFrame">The largest frame that was agreed upon, with its 8 bytes of framing.</param>
    /// <exception cref="FrameViolationException">Its header does not fit such a frame.</exception>
    internal static void Publish(FrameBuffer to, ushort channel, in Outgoing message, int slot, int maxFrame)
    {
        int frame = Begin(to, Method, channel);
        to.Long(BasicPublish);
        to.Short(0);
        to.ShortString(message.Exchange);
        Text(to, message.RoutingKey, message.Answers, AmqpProperty.ReplyTo);
        to.Octet((byte)(message.Mandatory ? 1 : 0));
        End(to, frame);

        int header = to.Count;
        frame = Begin(to, Header, channel);
        to.Short(ClassBasic);
        to.Short(0);
        to.LongLong((ulong)message.Message.Body.Length);
        Properties(to, message, slot);
        End(to, frame);
        if (to.Count - header > maxFrame) // it may not be split, as the body is
        {
            throw new FrameViolationException(FrameRule.FrameSize,
                $"its headers and properties take a frame of {to.Count - header} bytes, and the broker takes frames of "
                    + $"at most {maxFrame} (frame_max)");
        }

        for (ReadOnlySpan<byte> rest = message.Message.Body.Span; !rest.IsEmpty;)
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

    /// <summary>Asks for one message of a queue, to be settled.</summary>
    internal static void Get(FrameBuffer to, ushort channel, string queue)
    {
        int frame = Begin(to, Method, channel);
        to.Long(BasicGet);
        to.Short(0);
        to.ShortString(queue);
        to.Octet(0);
        End(to, frame);
    }

    /// <summary>Has the publishes of a channel confirmed from now on; it is not answered (nowait).</summary>
    internal static void ConfirmSelect(FrameBuffer to, ushort channel)
    {
        int frame = Begin(to, Method, channel);
        to.Long(FrameFormat.ConfirmSelect);
        to.Octet(1);
        End(to, frame);
    }

    // In the order of their flags, from bit 15 down (AMQP 0-9-1, section 4.2.6.1); bit 2 is a cluster id, which is
    // not used.
    private static void Properties(FrameBuffer to, in Outgoing outgoing, int slot)
    {
        AmqpMessage message = outgoing.Message;
        if (message is { PassedOn: { } different, Received: { IsEmpty: false } received })
        {
            RawContent.Write(to, received.Span, different, slot);
            return;
        }
        int at = to.SkipShort();
        int flags = 0;
        Text(to, message.ContentType, ref flags, AmqpProperty.ContentType);
        Text(to, message.ContentEncoding, ref flags, AmqpProperty.ContentEncoding);
        if (slot >= 0 || outgoing.Deadline is not null || message.Headers is { Count: > 0 })
        {
            flags |= Flag(AmqpProperty.Headers);
            FieldTable.Write(to, message.Headers, slot, outgoing.Deadline);
        }
        flags |= Flag(AmqpProperty.DeliveryMode);
        to.Octet((byte)(message.Persistent ? 2 : 1));
        if (message.Priority is { } priority)
        {
            flags |= Flag(AmqpProperty.Priority);
            to.Octet(priority);
        }
        if (outgoing.CorrelationId is { } id)
        {
            flags |= Flag(AmqpProperty.CorrelationId);
            Text(to, id, outgoing.Answers, AmqpProperty.CorrelationId);
        }
        Text(to, outgoing.ReplyTo, ref flags, AmqpProperty.ReplyTo);
        if (outgoing.Expiration is { } expiration)
        {
            flags |= Flag(AmqpProperty.Expiration);
            to.ShortNumber((long)expiration.TotalMilliseconds);
        }
        Text(to, message.MessageId, ref flags, AmqpProperty.MessageId);
        if (message.Timestamp is { } timestamp)
        {
            flags |= Flag(AmqpProperty.Timestamp);
            to.LongLong((ulong)timestamp.ToUnixTimeSeconds());
        }
        Text(to, message.Type, ref flags, AmqpProperty.Type);
        Text(to, message.UserId, ref flags, AmqpProperty.UserId);
        Text(to, message.AppId, ref flags, AmqpProperty.AppId);
        to.SetShort(at, (ushort)flags);
    }

    private static int Flag(AmqpProperty property) => 1 << (int)property;

    private static void Text(FrameBuffer to, string? text, ref int flags, AmqpProperty property)
    {
        if (text is null)
            return;
        flags |= Flag(property);
        to.ShortString(text);
    }

    // What the request has there: octets that are no UTF-8 were read as U+FFFD.
    private static void Text(FrameBuffer to, string text, AmqpMessage? answers, AmqpProperty property)
    {
        if (answers is not null && text.Contains('\uFFFD') && answers.RawProperty(property) is { } octets)
            to.ShortBytes(octets.Span);
        else
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

/// <summary>Bytes to be sent, written field by field as AMQP 0-9-1 has them (section 4.2). Grows as needed; its array
/// comes from the pool.</summary>
internal sealed class FrameBuffer
{
    private const int SmallestArray = 16 * 1024;

    private byte[] _bytes = [];

    internal int Count { get; private set; }

    internal ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Count);

    internal void Clear() => Count = 0;

    /// <summary>Gives the array back; the buffer is empty after that.</summary>
    internal void Release()
    {
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
        Count = 0;
    }

    /// <summary>Forgets what was written from a position on.</summary>
    internal void CutTo(int count) => Count = count;

    internal void Octet(byte value) => Take(1)[0] = value;

    internal void Short(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Take(2), value);

    internal void Long(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Take(4), value);

    internal void LongLong(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Take(8), value);

    internal void Bytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    internal void ShortString(string text)
    {
        int room = Encoding.UTF8.GetMaxByteCount(text.Length);
        Reserve(1 + room);
        int length = Encoding.UTF8.GetBytes(text, _bytes.AsSpan(Count + 1));
        if (length > byte.MaxValue)
            throw new InvalidOperationException($"A short string of {length} bytes; the limit is {byte.MaxValue}.");
        _bytes[Count] = (byte)length;
        Count += 1 + length;
    }

    /// <summary>A short string that is known as UTF-8.</summary>
    internal void ShortBytes(ReadOnlySpan<byte> text)
    {
        Octet((byte)text.Length);
        Bytes(text);
    }

    /// <summary>A number's digits as a short string.</summary>
    internal void ShortNumber(long number)
    {
        Span<byte> digits = stackalloc byte[20];
        number.TryFormat(digits, out int length, provider: CultureInfo.InvariantCulture);
        ShortBytes(digits[..length]);
    }

    internal void LongString(string text)
    {
        int at = BeginSized();
        Reserve(Encoding.UTF8.GetMaxByteCount(text.Length));
        Count += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(Count));
        EndSized(at);
    }

    /// <summary>Leaves room for a size (4 bytes) of what is written next.</summary>
    /// <returns>To be given to <see cref="EndSized"/>.</returns>
    internal int BeginSized()
    {
        Long(0);
        return Count;
    }

    internal void EndSized(int at) => BinaryPrimitives.WriteUInt32BigEndian(_bytes.AsSpan(at - 4), (uint)(Count - at));

    /// <summary>Leaves room for two bytes that are known later.</summary>
    /// <returns>To be given to <see cref="SetShort"/>.</returns>
    internal int SkipShort()
    {
        Short(0);
        return Count - 2;
    }

    internal void SetShort(int at, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(_bytes.AsSpan(at), value);

    private Span<byte> Take(int count)
    {
        Reserve(count);
        Span<byte> taken = _bytes.AsSpan(Count, count);
        Count += count;
        return taken;
    }

    private void Reserve(int count)
    {
        if (_bytes.Length - Count < count)
            Grow(count);
    }

    private void Grow(int count)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(Count + count),
            Math.Max(SmallestArray, Math.Min(_bytes.Length, 1 << 29) * 2)));
        Written.Span.CopyTo(larger);
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
