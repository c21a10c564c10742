using System.Buffers.Binary;
using static SafeAmqp.Wire.FrameFormat;

namespace SafeAmqp.Wire;

/// <summary>Where a <see cref="FrameReader"/> hands what it has read, in the order in which it came.</summary>
internal interface IFrameSink
{
    void Acked(long channel, ulong sequence, bool multiple);

    void Nacked(long channel, ulong sequence, bool multiple);

    /// <summary>A message came back. The slot is -1 when it carries none.</summary>
    void Returned(long channel, int slot, int code, string text);

    /// <summary>A message came. One with a flaw lacks what could not be read, and its body.</summary>
    void Delivered(long channel, ulong tag, bool redelivered, AmqpMessage message, DeliveryFlaw? flaw);

    /// <summary>A queue had no message to get.</summary>
    void FoundEmpty(long channel);

    /// <summary>A consumer began. The frame is passed on as well.</summary>
    void ConsumerStarted(long channel);

    /// <summary>Whole frames that are for RabbitMQ.Client, as they came.</summary>
    void Pass(ReadOnlySpan<byte> frames);
}

/// <summary>Reads the bytes of an inbound AMQP 0-9-1 stream in one pass: checks them, cuts them into frames, and
/// decodes confirms, returns and deliveries of the channels that are its own. All other frames are passed on once they
/// are checked.</summary>
/// <remarks>RabbitMQ.Client's parser trusts its peer: it recurses as deep as tables are nested, so that about a hundred
/// bytes per kilobyte of stack end the process, and follows the lengths inside a table without regard to the table's
/// own. Nothing reaches it, or is decoded here, that lies outside of a frame's bounds or this reader's limits. Bytes
/// may come in slices of any size; the same bytes bring the same verdict. Only the thread that receives uses
/// it.</remarks>
internal sealed class FrameReader(int maxFrameSize, long maxBodySize, IFrameSink sink)
{
    private const int FirstSize = 4 * 1024;

    // Once a call has filled the buffer: one may bring many frames. Below the 85,000 bytes of the large object heap.
    private const int UsualSize = 64 * 1024;

    private static readonly Dictionary<ushort, IncomingContent> NoChannels = [];

    private readonly uint _maxPayload = (uint)(maxFrameSize - Overhead);
    private volatile Dictionary<ushort, IncomingContent> _channels = NoChannels; // never changed, only replaced
    private byte[] _bytes = new byte[FirstSize];
    private int _start, _end; // what has come and is not a whole frame yet
    private bool _started;

    /// <summary>Whether what has come ends within a frame.</summary>
    internal bool IsInsideFrame => _end > _start;

    /// <summary>Where the next bytes are to be put.</summary>
    internal Memory<byte> Room => _bytes.AsMemory(_end);

    /// <summary>Makes a channel this reader's own. The thread that receives calls it before the channel is
    /// used.</summary>
    /// <param name="channel">Its number on the connection.</param>
    /// <param name="id">What the sink is to call it.</param>
    internal void Own(ushort channel, long id)
        => _channels = new Dictionary<ushort, IncomingContent>(_channels) { [channel] = new IncomingContent(id) };

    /// <summary>What the sink calls a channel; null when it is not this reader's own. May be called by any
    /// thread.</summary>
    internal long? IdOf(ushort channel)
        => _channels.TryGetValue(channel, out IncomingContent? content) ? content.Id : null;

    /// <summary>Takes the bytes that were put into <see cref="Room"/>: at least one.</summary>
    /// <exception cref="FrameViolationException">A rule is broken. The frames before were handed on; the reader must
    /// not be used again.</exception>
    internal void Received(int count)
    {
        _end += count;
        bool wasFilled = _end == _bytes.Length;
        _started = _started || ForeignPeer.IsNone(_bytes.AsSpan(0, _end));
        if (!_started)
            return; // there is room for what tells more
        ReadFrames();
        MakeRoom(wasFilled);
    }

    private void ReadFrames()
    {
        int passFrom = _start;
        try
        {
            while (_end - _start >= PrefixSize && FrameSize() is var size && size <= _end - _start)
            {
                if (Take(_bytes.AsSpan(_start, size)))
                {
                    Pass(passFrom, _start);
                    passFrom = _start + size;
                }
                _start += size;
            }
        }
        finally
        {
            Pass(passFrom, _start); // also those before a frame that is refused
        }
    }

    private void Pass(int from, int to)
    {
        if (to > from)
            sink.Pass(_bytes.AsSpan(from, to - from));
    }

    private void MakeRoom(bool wasFilled)
    {
        if (_start > 0)
        {
            _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
            (_start, _end) = (0, _end - _start);
        }
        int needed = Math.Max(_end < PrefixSize ? PrefixSize : FrameSize(), wasFilled ? UsualSize : FirstSize);
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, needed);
        else if (_end == 0 && _bytes.Length > UsualSize)
            _bytes = new byte[UsualSize];
    }

    private int FrameSize()
    {
        ReadOnlySpan<byte> prefix = _bytes.AsSpan(_start, PrefixSize);
        byte type = prefix[0];
        if (type is not (Method or Header or Body or Heartbeat))
        {
            throw new FrameViolationException(FrameRule.FrameType,
                $"The peer sent a frame of type {type}; known are 1, 2, 3 and 8.");
        }
        uint payload = BinaryPrimitives.ReadUInt32BigEndian(prefix[3..]);
        if (payload > _maxPayload)
        {
            throw new FrameViolationException(FrameRule.FrameSize,
                $"The peer sent a frame of {payload} + {Overhead} bytes; the limit is {maxFrameSize}.")
            {
                Channel = type == Header ? ChannelOf(prefix) : null,
                ContentSize = payload,
            };
        }
        return (int)payload + Overhead;
    }

    /// <returns>Whether the frame is for the sink; if not, it is to be passed on.</returns>
    private bool Take(ReadOnlySpan<byte> frame)
    {
        if (frame[^1] != FrameEnd)
        {
            throw new FrameViolationException(FrameRule.FrameEnd,
                $"The peer sent a frame that ends with 0x{frame[^1]:X2} instead of 0x{FrameEnd:X2}.");
        }
        ushort channel = ChannelOf(frame);
        ReadOnlySpan<byte> payload = frame[PrefixSize..^1];
        IncomingContent? content = null;
        if (channel != 0)
            _channels.TryGetValue(channel, out content);
        switch (frame[0])
        {
            case Method:
                return TakeMethod(channel, payload, content);
            case Header:
                return TakeHeader(channel, payload, content);
            case Body:
                return TakeBody(channel, payload, content);
            default:
                return false;
        }
    }

    private bool TakeMethod(ushort channel, ReadOnlySpan<byte> payload, IncomingContent? content)
    {
        var arguments = new FieldReader(payload);
        uint id = arguments.Long();
        if (content is null || content.AwaitsHeader || content.AwaitsBody)
        {
            MethodCheck.Check(id, arguments);
            RefuseInsideMessage(channel, Method, content);
            return false;
        }
        switch (id)
        {
            case BasicAck:
                sink.Acked(content.Id, arguments.LongLong(), (arguments.Octet() & 1) != 0);
                return true;
            case BasicNack:
                sink.Nacked(content.Id, arguments.LongLong(), (arguments.Octet() & 1) != 0);
                return true;
            case BasicDeliver:
                arguments.ShortBytes(); // the consumer's tag: a channel has one consumer
                content.BeginDelivery(arguments);
                return true;
            case BasicGetOk:
                MethodCheck.Check(id, arguments);
                content.BeginDelivery(arguments); // and the count of what is left, which is old when it is read
                return true;
            case BasicGetEmpty:
                sink.FoundEmpty(content.Id);
                return true;
            case BasicReturn:
                content.BeginReturn(arguments);
                return true;
            case BasicConsumeOk:
                MethodCheck.Check(id, arguments);
                sink.ConsumerStarted(content.Id); // here, so that it comes before the first delivery
                return false;
            default:
                MethodCheck.Check(id, arguments);
                return false;
        }
    }

    private bool TakeHeader(ushort channel, ReadOnlySpan<byte> payload, IncomingContent? content)
    {
        if (content is { AwaitsHeader: true })
        {
            if (content.TakeHeader(payload, maxBodySize))
                content.HandTo(sink);
            return true;
        }
        ContentHeader.BodySize(payload);
        ContentHeader.Check(payload[ContentHeader.PrefixSize..]);
        RefuseInsideMessage(channel, Header, content);
        return false;
    }

    private bool TakeBody(ushort channel, ReadOnlySpan<byte> payload, IncomingContent? content)
    {
        if (content is not { AwaitsBody: true })
        {
            RefuseInsideMessage(channel, Body, content);
            return false;
        }
        if (content.TakeBody(payload) is not { } isWhole)
            throw Unexpected(channel, "more of a body than was announced");
        if (isWhole)
            content.HandTo(sink);
        return true;
    }

    // RabbitMQ.Client keeps this state for what it reads, and would end the connection in its own way (505).
    private static void RefuseInsideMessage(ushort channel, byte type, IncomingContent? content)
    {
        if (content is { AwaitsHeader: true } or { AwaitsBody: true })
            throw Unexpected(channel, $"a frame of type {type} inside a message");
    }

    private static FrameViolationException Unexpected(ushort channel, string what)
        => new(FrameRule.FrameOrder, $"The peer sent {what} on channel {channel}.");

    private static ushort ChannelOf(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[1..]);
}

/// <summary>Tells by its first bytes what a peer is that is no AMQP 0-9-1 broker.</summary>
internal static class ForeignPeer
{
    /// <summary>Whether the first bytes are a broker's, of which the first is a frame's type.</summary>
    /// <returns>False while there are too few to tell.</returns>
    /// <exception cref="FrameViolationException">They are somebody else's, and the message says whose.</exception>
    internal static bool IsNone(ReadOnlySpan<byte> first)
    {
        if (first[0] is Method or Header or Body or Heartbeat)
            return true;
        if (Begins(first, "AMQP"u8))
        {
            if (first.Length < 8)
                return false;
            throw Is(first[5..] is [1, 0, ..] ? "speaks AMQP 1.0; this client speaks AMQP 0-9-1"
                : "speaks another version of AMQP; this client speaks AMQP 0-9-1");
        }
        if (Begins(first, "HTTP/"u8))
            return first.Length < 5 ? false : throw Is("is a web server: AMQP has another port, as a rule 5672");
        if (Begins(first, "SSH-"u8))
            return first.Length < 4 ? false : throw Is("is an SSH server: this is not the port of AMQP");
        if (Begins(first, [0x15, 3]) || Begins(first, [0x16, 3]))
            return first.Length < 2 ? false : throw Is("speaks TLS on this port: use amqps://");
        throw Is(first[0] is >= 0x20 and < 0x7F or (byte)'\r' or (byte)'\n'
            ? "sent text that is no AMQP: this is not the port of AMQP"
            : "sent bytes that are no AMQP: this is not the port of AMQP");
    }

    private static bool Begins(ReadOnlySpan<byte> first, ReadOnlySpan<byte> with)
        => first[..Math.Min(first.Length, with.Length)].SequenceEqual(with[..Math.Min(first.Length, with.Length)]);

    private static FrameViolationException Is(string what) => new(FrameRule.FrameType, $"The peer {what}.");
}
