namespace SafeAmqp.Wire;

/// <summary>
/// A message on its way in on one channel: a delivery or a return, then its header, then its body in any number of
/// frames.
/// </summary>
/// <param name="id">What the channel is called where its messages go.</param>
internal sealed class IncomingContent(long id)
{
    /// <summary>
    /// No more is allocated than this until so much has come: a peer may announce much and send little.
    /// </summary>
    private const int FirstAllocation = 1024 * 1024;

    private bool _isReturn, _redelivered;
    private int _code, _slot;
    private ulong _tag;
    private string _text = "", _exchange = "", _routingKey = "";
    private byte[] _exchangeBytes = [], _routingKeyBytes = [], _body = [];
    private AmqpMessage? _message;
    private long _size;
    private int _filled;

    internal long Id => id;

    internal bool AwaitsHeader { get; private set; }

    internal bool AwaitsBody { get; private set; }

    /// <summary>basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key.</summary>
    internal void BeginDelivery(FieldReader arguments)
    {
        arguments.ShortBytes();
        _tag = arguments.LongLong();
        _redelivered = (arguments.Octet() & 1) != 0;
        Remember(arguments.ShortBytes(), ref _exchangeBytes, ref _exchange);
        Remember(arguments.ShortBytes(), ref _routingKeyBytes, ref _routingKey);
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

    /// <summary>Reads the content header.</summary>
    /// <returns>Whether the message is whole, as it has no body.</returns>
    internal bool TakeHeader(ReadOnlySpan<byte> payload, long maxBodySize)
    {
        _size = ContentHeader.BodySize(payload, maxBodySize);
        ReadOnlySpan<byte> properties = payload[ContentHeader.PrefixSize..];
        if (_isReturn)
        {
            _slot = ContentHeader.Slot(properties) ?? -1;
        }
        else
        {
            _body = _size == 0 ? [] : GC.AllocateUninitializedArray<byte>((int)Math.Min(_size, FirstAllocation));
            _message = ContentHeader.Read(properties, _exchange, _routingKey, _body); // the body is filled in below
        }
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
        if (!_isReturn)
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
        sink.Delivered(id, _tag, _redelivered, message);
    }

    // What a consumer receives most often has the same names as the message before it.
    private static void Remember(ReadOnlySpan<byte> bytes, ref byte[] last, ref string text)
    {
        if (bytes.SequenceEqual(last))
            return;
        last = bytes.ToArray();
        text = System.Text.Encoding.UTF8.GetString(bytes);
    }
}
