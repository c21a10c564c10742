using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Broker;

/// <summary>A message on its way in on one channel: a delivery or a return, then its header, then its body in any number of frames.</summary>
internal sealed class IncomingContent
{
    /// <summary>Until so much has come, no more is allocated than this: a peer may announce much and send little.</summary>
    private const int FirstAllocation = 1024 * 1024;

    private bool _isReturn, _redelivered;
    private int _code, _slot;
    private ulong _tag;
    private string _text = "", _exchange = "", _routingKey = "";
    private byte[] _exchangeBytes = [], _routingKeyBytes = [], _properties = [], _body = [];
    private long _size;
    private int _filled;

    /// <summary>Whether a header is to come next.</summary>
    internal bool AwaitsHeader { get; private set; }

    internal bool AwaitsBody { get; private set; }

    /// <summary>basic.deliver: consumer tag, delivery tag, redelivered, exchange, routing key.</summary>
    internal void BeginDelivery(ReadOnlySpan<byte> arguments)
    {
        var reader = new FieldReader(arguments);
        reader.ShortBytes();
        _tag = reader.LongLong();
        _redelivered = (reader.Octet() & 1) != 0;
        Remember(reader.ShortBytes(), ref _exchangeBytes, ref _exchange);
        Remember(reader.ShortBytes(), ref _routingKeyBytes, ref _routingKey);
        _isReturn = false;
        AwaitsHeader = true;
    }

    /// <summary>basic.return: code, text, exchange, routing key.</summary>
    internal void BeginReturn(ReadOnlySpan<byte> arguments)
    {
        var reader = new FieldReader(arguments);
        _code = reader.Short();
        _text = StatusText.Printable(reader.ShortString());
        _isReturn = true;
        AwaitsHeader = true;
    }

    /// <summary>The content header: class, weight, size of the body, flags and properties.</summary>
    /// <returns>Whether the message is whole, as it has no body.</returns>
    internal bool TakeHeader(ReadOnlySpan<byte> payload)
    {
        var reader = new FieldReader(payload[4..]);
        _size = (long)reader.LongLong();
        ReadOnlySpan<byte> properties = payload[12..];
        AwaitsHeader = false;
        if (_isReturn)
        {
            _slot = MessageHeader.Slot(properties) ?? -1;
        }
        else
        {
            if (_properties.Length < properties.Length || _properties.Length > 4096)
                _properties = new byte[properties.Length];
            properties.CopyTo(_properties);
            _body = _size == 0 ? [] : GC.AllocateUninitializedArray<byte>((int)Math.Min(_size, FirstAllocation));
        }
        _filled = 0;
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

    /// <summary>What came, when it is whole.</summary>
    internal BrokerSignal ToSignal(long incarnation)
    {
        if (_isReturn)
            return new BrokerSignal.Returned(incarnation, _slot, _code, _text);
        byte[] body = _body;
        _body = [];
        return new BrokerSignal.Delivered(incarnation, _tag, _redelivered, MessageHeader.Read(_properties, _exchange, _routingKey, body));
    }

    // What a consumer receives most often bears the names that the message before it bore.
    private static void Remember(ReadOnlySpan<byte> bytes, ref byte[] last, ref string text)
    {
        if (bytes.SequenceEqual(last))
            return;
        last = bytes.ToArray();
        text = System.Text.Encoding.UTF8.GetString(bytes);
    }
}
