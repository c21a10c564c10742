using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace SafeAmqp.Wire;

/// <summary>A message on its way in on one channel: a delivery or a return, then its header, then its body in any
/// number of frames.</summary>
/// <param name="id">What the channel is called where its messages go.</param>
internal sealed class IncomingContent(long id)
{
    /// <summary>No more is allocated than this until so much has come: a peer may announce much and send
    /// little.</summary>
    private const int FirstAllocation = 1024 * 1024;

    private readonly RecentText _recent = new();
    private bool _isReturn, _redelivered;
    private int _code, _slot;
    private ulong _tag;
    private string _text = "", _exchange = "", _routingKey = "";
    private byte[] _body = [];
    private AmqpMessage? _message;
    private DeliveryFlaw? _flaw;
    private long _size;
    private int _filled;

    internal long Id => id;

    internal bool AwaitsHeader { get; private set; }

    internal bool AwaitsBody { get; private set; }

    /// <summary>What basic.deliver and basic.get-ok share: delivery tag, redelivered, exchange, routing key.</summary>
    internal void BeginDelivery(FieldReader arguments)
    {
        _tag = arguments.LongLong();
        _redelivered = (arguments.Octet() & 1) != 0;
        _exchange = _recent.Of(arguments.ShortBytes());
        _routingKey = _recent.Of(arguments.ShortBytes());
        _isReturn = false;
        AwaitsHeader = true;
    }

    /// <summary>basic.return: code, text, exchange, routing key.</summary>
    internal void BeginReturn(FieldReader arguments)
    {
        _code = arguments.Short();
        _text = arguments.ShortString();
        arguments.ShortBytes();
        arguments.ShortBytes();
        _isReturn = true;
        AwaitsHeader = true;
    }

    /// <summary>Reads the content header. What is wrong with its properties, or with the size of the body, is the
    /// message's flaw: its frames are well.</summary>
    /// <returns>Whether the message is whole, as it has no body.</returns>
    internal bool TakeHeader(ReadOnlySpan<byte> payload, long maxBodySize)
    {
        _size = ContentHeader.BodySize(payload);
        ReadOnlySpan<byte> properties = payload[ContentHeader.PrefixSize..];
        _flaw = null;
        if (_isReturn)
            _slot = ContentHeader.Slot(properties) ?? -1;
        else
            BeginMessage(properties, maxBodySize);
        _filled = 0;
        AwaitsHeader = false;
        AwaitsBody = _size > 0;
        return !AwaitsBody;
    }

    /// <returns>Whether the message is whole; null when more has come than was announced.</returns>
    internal bool? TakeBody(ReadOnlySpan<byte> part)
    {
        if (part.Length > _size - _filled)
            return null;
        if (!_isReturn && _flaw?.TooLarge is null)
        {
            if (part.Length > _body.Length - _filled)
                Array.Resize(ref _body, (int)Math.Min(_size, Math.Max((long)_body.Length * 2, _filled + part.Length)));
            part.CopyTo(_body.AsSpan(_filled));
        }
        _filled += part.Length;
        AwaitsBody = _filled < _size;
        return !AwaitsBody;
    }

    /// <summary>Hands the message on, when it is whole.</summary>
    internal void HandTo(IFrameSink sink)
    {
        if (_isReturn)
        {
            sink.Returned(id, _slot, _code, _text);
            return;
        }
        AmqpMessage message = _size > FirstAllocation ? _message! with { Body = _body } : _message!;
        _body = [];
        _message = null;
        sink.Delivered(id, _tag, _redelivered, message, _flaw);
    }

    private void BeginMessage(ReadOnlySpan<byte> properties, long maxBodySize)
    {
        bool isTooLarge = _size > maxBodySize;
        if (!isTooLarge && _size > 0)
            _body = GC.AllocateUninitializedArray<byte>((int)Math.Min(_size, FirstAllocation)); // filled in later
        _message = ContentHeader.Read(properties, _exchange, _routingKey, _body, _recent, out string? unreadable);
        if (isTooLarge)
            _flaw = new DeliveryFlaw($"it has {_size} bytes, and MaxMessageSize is {maxBodySize}", _size);
        else if (unreadable is not null)
            _flaw = new DeliveryFlaw(unreadable);
    }
}

/// <summary>Text of earlier messages on a channel. What a consumer receives most often has the same names as a message
/// before it.</summary>
internal sealed class RecentText
{
    private readonly string?[] _texts = new string?[16];

    internal string Of(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return "";
        var hash = new HashCode();
        hash.AddBytes(bytes);
        ref string? text = ref _texts[hash.ToHashCode() & (_texts.Length - 1)];
        return text is not null && Ascii.Equals(bytes, text) ? text : text = Encoding.UTF8.GetString(bytes);
    }
}

/// <summary>Reads a content header (AMQP 0-9-1, section 4.2.6.1): class, weight, size of the body, flags,
/// properties.</summary>
internal static class ContentHeader
{
    /// <summary>Bytes before the flags.</summary>
    internal const int PrefixSize = 12;

    private const int MoreFlags = 1;

    private static readonly IReadOnlyDictionary<string, object?> NoHeaders = new Dictionary<string, object?>();

    /// <summary>Checks what comes before the properties.</summary>
    /// <returns>The size of the body, in bytes.</returns>
    internal static long BodySize(ReadOnlySpan<byte> payload)
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
        ulong size = BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);
        if (size > (ulong)FrameFormat.MaxBodySize)
        {
            throw new FrameViolationException(FrameRule.BodySize,
                $"The peer announced a message of {size} bytes; no broker takes more than {FrameFormat.MaxBodySize}.");
        }
        return (long)size;
    }

    /// <summary>Makes the message, with its body, from the flags and properties.</summary>
    /// <param name="properties">The flags and what follows.</param>
    /// <param name="exchange">Goes into the message.</param>
    /// <param name="routingKey">Goes into the message.</param>
    /// <param name="body">Goes into the message.</param>
    /// <param name="recent">Knows text that comes again.</param>
    /// <param name="unreadable">What could not be read; the message lacks it, and where it is not known what follows it
    /// every property.</param>
    internal static AmqpMessage Read(ReadOnlySpan<byte> properties, string exchange, string routingKey, byte[] body,
        RecentText recent, out string? unreadable)
    {
        unreadable = null;
        byte[] received = properties.ToArray();
        try
        {
            var reader = new FieldReader(properties);
            int flags = Flags(ref reader);
            // In this order on the wire; an initializer's expressions are evaluated as they are written.
            var message = new AmqpMessage
            {
                Exchange = exchange,
                RoutingKey = routingKey,
                Body = body,
                Received = received,
                ContentType = Has(flags, AmqpProperty.ContentType) ? recent.Of(reader.ShortBytes()) : null,
                ContentEncoding = Has(flags, AmqpProperty.ContentEncoding) ? reader.ShortString() : null,
                Headers = Has(flags, AmqpProperty.Headers) ? Headers(ref reader, received, ref unreadable) : NoHeaders,
                Persistent = Has(flags, AmqpProperty.DeliveryMode) && reader.Octet() == 2,
                Priority = Has(flags, AmqpProperty.Priority) ? reader.Octet() : null,
                CorrelationId = Has(flags, AmqpProperty.CorrelationId) ? reader.ShortString() : null,
                ReplyTo = Has(flags, AmqpProperty.ReplyTo) ? recent.Of(reader.ShortBytes()) : null,
                Expiration = Has(flags, AmqpProperty.Expiration) ? Milliseconds(reader.ShortBytes()) : null,
                MessageId = Has(flags, AmqpProperty.MessageId) ? reader.ShortString() : null,
                Timestamp = Has(flags, AmqpProperty.Timestamp) ? reader.Time() : null,
                Type = Has(flags, AmqpProperty.Type) ? recent.Of(reader.ShortBytes()) : null,
                UserId = Has(flags, AmqpProperty.UserId) ? reader.ShortString() : null,
                AppId = Has(flags, AmqpProperty.AppId) ? reader.ShortString() : null,
            };
            if (Has(flags, AmqpProperty.ClusterId))
                reader.ShortBytes(); // a cluster id, which is not used
            return message;
        }
        catch (FrameViolationException error)
        {
            unreadable = error.Message;
            return new AmqpMessage { Exchange = exchange, RoutingKey = routingKey, Body = body, Received = received };
        }
    }

    /// <summary>The slot that a mandatory message carries, written as the first of its headers; null when there is
    /// none.</summary>
    internal static int? Slot(ReadOnlySpan<byte> properties)
    {
        try
        {
            var reader = new FieldReader(properties);
            int flags = Flags(ref reader);
            for (var property = AmqpProperty.ContentType; property > AmqpProperty.Headers; property--)
            {
                if (Has(flags, property))
                    reader.ShortBytes();
            }
            return Has(flags, AmqpProperty.Headers)
                ? new FieldReader(reader.LongBytes()).FindInt32(FieldTable.SlotHeaderName) : null;
        }
        catch (FrameViolationException)
        {
            return null; // as good as none: which publish came back is not known
        }
    }

    /// <summary>Checks the properties of a message that is passed on to RabbitMQ.Client.</summary>
    internal static void Check(ReadOnlySpan<byte> properties)
    {
        var reader = new FieldReader(properties);
        int flags = Flags(ref reader);
        for (var property = AmqpProperty.ContentType; property >= AmqpProperty.ClusterId; property--)
        {
            if (!Has(flags, property))
                continue;
            if (property == AmqpProperty.Headers)
                reader.SkipTableForClient();
            else
                RawContent.Take(ref reader, (int)property, out _);
        }
    }

    // Checked at once, and read when they are asked for.
    private static IReadOnlyDictionary<string, object?> Headers(ref FieldReader reader, byte[] bytes,
        ref string? unreadable)
    {
        int size = reader.LongBytes().Length;
        ReadOnlyMemory<byte> table = bytes.AsMemory(bytes.Length - reader.Rest.Length - size, size);
        try
        {
            new FieldReader(table.Span).SkipEntries();
            return new ReceivedHeaders(table);
        }
        catch (FrameViolationException error)
        {
            unreadable = error.Message;
            return NoHeaders;
        }
    }

    private static int Flags(ref FieldReader reader)
    {
        int flags = reader.Short();
        // Bit 0 says that a second word of flags follows, which RabbitMQ.Client would read as the first property's
        // value. Bit 1 is unused, and RabbitMQ 3 passes it on.
        if ((flags & MoreFlags) != 0)
        {
            throw new FrameViolationException(FrameRule.PropertyFlags,
                $"The peer sent property flags 0x{flags:X4}; the last bit must be 0.");
        }
        return flags;
    }

    private static bool Has(int flags, AmqpProperty property) => (flags & (1 << (int)property)) != 0;

    // Peers write anything into it; what makes no sense counts as not given.
    private static TimeSpan? Milliseconds(ReadOnlySpan<byte> text)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            && value <= uint.MaxValue
            ? TimeSpan.FromMilliseconds(value)
            : null;
}
