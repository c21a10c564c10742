using System.Text;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Queues;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Channels;

/// <summary>
/// A message comes as method, header and body frames (AMQP 0-9-1, 4.2.6), is put together and routed.
/// </summary>
internal sealed partial class Channel
{
    private const string ReplyTo = "amq.rabbitmq.reply-to";
    private const ushort BasicClass = 60;
    private const int FirstPart = 64 * 1024;

    private Awaited _awaited;
    private string _exchangeName = "";
    private byte[] _exchangeBytes = [];
    private string _routingKey = "";
    private byte[] _routingKeyBytes = [];
    private bool _mandatory;
    private ContentProperties? _properties;
    private AmqpError? _unreadable;
    private byte[] _body = [];
    private int _bodySize;
    private int _bodyLength;
    private bool _isSwallowed;

    /// <summary>Between the method and the last octet of the body.</summary>
    public bool IsPublishing => _awaited != Awaited.Method;

    /// <summary>Room taken by a body that has not arrived completely.</summary>
    public int IncompleteBytes => _body.Length;

    private enum Awaited
    {
        Method,
        Header,
        Body,
    }

    private void OnPublish(ReadOnlySpan<byte> payload)
    {
        var fields = new MethodReader(payload);
        fields.Short();
        Remember(fields.ShortBytes(), ref _exchangeBytes, ref _exchangeName);
        Remember(fields.ShortBytes(), ref _routingKeyBytes, ref _routingKey);
        byte flags = fields.Octet();
        if ((flags & 2) != 0)
            throw new AmqpError(ReplyCode.NotImplemented, "immediate=true");
        _mandatory = (flags & 1) != 0;
        _awaited = Awaited.Header;
    }

    /// <summary>Most publishers name the same exchange and key again and again; the string is made once.</summary>
    private static void Remember(ReadOnlySpan<byte> bytes, ref byte[] last, ref string text)
    {
        if (bytes.SequenceEqual(last))
            return;
        last = bytes.ToArray();
        text = Encoding.UTF8.GetString(bytes);
    }

    private void OnHeader(ReadOnlySpan<byte> payload)
    {
        if (_awaited != Awaited.Header)
            throw UnexpectedContent();
        if (payload.Length < 12)
            throw AmqpError.Undecodable(payload);
        ushort classId = BinaryPrimitives.ReadUInt16BigEndian(payload);
        if (classId != BasicClass)
            throw new AmqpError(
                ReplyCode.UnexpectedFrame,
                $"expected content header for class {BasicClass}, got one for class {classId} instead");
        ulong size = BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);
        if (size > (ulong)Broker.Options.MaxMessageSize)
            throw AmqpError.Precondition(
                $"message size {size} is larger than configured max size {Broker.Options.MaxMessageSize}");
        Broker.Memory.Arrived(payload.Length);
        ReadOnlySpan<byte> raw = payload[12..];
        if (_properties is null || !raw.SequenceEqual(_properties.Raw))
            ReadProperties(raw);
        _bodySize = (int)size;
        _bodyLength = 0;
        // A peer that announces much gets room for what it sends, not for what it says.
        _body = _bodySize == 0 ? [] : GC.AllocateUninitializedArray<byte>(Math.Min(_bodySize, FirstPart));
        _awaited = Awaited.Body;
        _isSwallowed = Broker.Faults.Any && Broker.Faults.Meets(Scene(FaultScene.Publishing, null));
        if (_bodySize == 0)
            Publish();
    }

    /// <summary>What cannot be read is a fault of the message as a whole: it is told when that is complete.</summary>
    private void ReadProperties(ReadOnlySpan<byte> raw)
    {
        (_properties, _unreadable) = (null, null);
        try
        {
            var properties = ContentProperties.Read(raw);
            _properties = Broker.Rules.NormalizesProperties ? properties.Normalized() : properties;
        }
        catch (AmqpError error)
        {
            _unreadable = error;
        }
    }

    private void OnBody(ReadOnlySpan<byte> payload)
    {
        if (_awaited != Awaited.Body)
            throw UnexpectedContent();
        if (payload.Length > _bodySize - _bodyLength)
            throw new AmqpError(
                ReplyCode.FrameError,
                $"content body is {payload.Length - (_bodySize - _bodyLength)} octets longer than announced");
        Broker.Memory.Arrived(payload.Length);
        if (_body.Length - _bodyLength < payload.Length)
            Array.Resize(
                ref _body, (int)Math.Min(_bodySize, Math.Max(2L * _body.Length, _bodyLength + payload.Length)));
        payload.CopyTo(_body.AsSpan(_bodyLength));
        _bodyLength += payload.Length;
        if (_bodyLength == _bodySize)
            Publish();
    }

    private AmqpError UnexpectedContent() => new(ReplyCode.UnexpectedFrame, _awaited switch
    {
        Awaited.Method => "expected method frame, got non method frame instead",
        Awaited.Header => $"expected content header for class {BasicClass}, got non content header frame instead",
        _ => "expected content body, got non content body frame instead",
    })
    { IsHard = true };

    private void Publish()
    {
        _awaited = Awaited.Method;
        byte[] body = _body;
        _body = [];
        if (_isSwallowed)
        {
            Confirms.Hold(Confirms.Next(), accepted: false, ConfirmHold.ForEver);
            return;
        }
        try
        {
            Exchange exchange = CheckPublish();
            Route(exchange, ToMessage(body));
        }
        catch (AmqpError error)
        {
            if (error.IsHard) Connection.Fail(error, Method.BasicPublish);
            else Fail(error, Method.BasicPublish);
        }
    }

    private Exchange CheckPublish()
    {
        Require(Permission.Write, "exchange", _exchangeName);
        Exchange exchange = Host.Exchange(_exchangeName);
        if (exchange.IsInternal)
            throw new AmqpError(
                ReplyCode.AccessRefused,
                $"cannot publish to internal exchange '{_exchangeName}' in vhost '{Host.Name}'");
        if (_unreadable is not null)
            throw _unreadable;
        RequireTopic(Permission.Write, exchange, _routingKey);
        if (_properties!.UserId is { } user && user != Connection.User.Name)
            throw AmqpError.Precondition(
                $"user_id property set to '{user}' but authenticated user was '{Connection.User.Name}'");
        if (_properties.Expiration is { } expiration && ExpirationProblem(expiration) is { } problem)
            throw AmqpError.Precondition($"invalid expiration '{expiration}': {problem}");
        return exchange;
    }

    private static string? ExpirationProblem(string text)
    {
        int digits = text.StartsWith('-') ? 1 : 0;
        while (digits < text.Length && char.IsAsciiDigit(text[digits]))
            digits++;
        if (digits == 0 || text == "-")
            return "no_integer";
        if (digits < text.Length)
            return $"{{leftover_string,\"{text[digits..]}\"}}";
        if (text.StartsWith('-'))
            return $"{{value_negative,{text}}}";
        return null;
    }

    private Message ToMessage(byte[] body)
    {
        ContentProperties properties = _properties!;
        if (Broker.Rules.ChecksDeliveryMode && properties.Mode is { } mode and not (1 or 2))
            throw AmqpError.Precondition($"invalid message: {{delivery_mode_unknown,{mode}}}");
        if (properties.ReplyTo == ReplyTo)
            properties = properties.With((ContentProperties.ReplyToIndex, DirectReplyAddress()));
        if (!properties.MayHaveCopies)
            return new Message(_exchangeName, _routingKey, properties, body);
        Dictionary<string, object?> headers = properties.ReadHeaders();
        List<string> visible = [_routingKey, .. Copies(headers, "CC")];
        List<string> keys = [.. visible, .. Copies(headers, "BCC")];
        if (headers.Remove("BCC"))
        {
            properties = properties.With((ContentProperties.HeadersIndex, headers));
        }
        return new Message(_exchangeName, _routingKey, properties, body) { RoutingKeys = keys, VisibleKeys = visible };
    }

    private static IEnumerable<string> Copies(Dictionary<string, object?> headers, string header)
    {
        if (!headers.TryGetValue(header, out object? value))
            return [];
        if (value is not List<object?> list)
            throw AmqpError.Precondition(
                $"invalid message: {{unacceptable_type_in_header,\"{header}\",{FieldTableWriter.TypeName(value)}}}");
        if (list.Find(item => item is not byte[]) is { } wrong)
            throw AmqpError.Precondition(
                $"invalid message: {{unacceptable_type_in_header,\"{header}\",{FieldTableWriter.TypeName(wrong)}}}");
        return list.Select(item => FieldTable.Text(item)!);
    }

    private void Route(Exchange exchange, Message message)
    {
        ulong number = Confirms.Next();
        FaultScene? scene = null;
        if (Broker.Faults.Any && Broker.Faults.Meets(scene = Scene(Method.BasicPublish, message)))
        {
            Confirms.Hold(number, accepted: false, ConfirmHold.ForEver);
            return;
        }
        if (scene is { Verdict: PublishVerdict.Nack })
        {
            Broker.History.Published(this, message, []);
            Confirms.Nack(number);
            return;
        }
        if (exchange.Name.Length == 0 && message.RoutingKey.StartsWith(ReplyTo + ".", StringComparison.Ordinal))
            DirectReply(message);
        List<BrokerQueue> queues =
            scene is { Verdict: PublishVerdict.Return } ? [] : Host.Router.Route(exchange, message);
        Broker.History.Published(this, message, queues);
        Broker.Memory.Routed(queues.Count);
        if (queues.Count == 0 && (_mandatory || scene is { Verdict: PublishVerdict.Return }))
            Return(message, scene?.ReturnCode ?? ReplyCode.NoRoute, scene?.ReturnText ?? "NO_ROUTE");
        bool accepted = true;
        if (queues.Count == 1)
            accepted = queues[0].Publish(message);
        else if (queues.Count > 1)
            foreach (BrokerQueue queue in queues.ToArray())
                accepted &= queue.Publish(message);
        if (scene?.Hold is { } hold) Confirms.Hold(number, accepted, hold);
        else if (accepted) Confirms.Ack(number);
        else Confirms.Nack(number);
    }

    private void Return(Message message, ushort code, string text)
    {
        if (Connection.IsFrozen)
            return;
        Connection.Sender.Content(Number, Writer.Start(Method.BasicReturn).Short(code).ShortString(text)
            .ShortString(message.Exchange).ShortString(message.RoutingKey), message.Properties.Raw, message.Body);
    }

    private FaultScene Scene(uint method, Message? message) => new(Connection, this, method)
    {
        Exchange = _exchangeName,
        RoutingKey = _routingKey,
        Message = message,
        Properties = _properties,
    };
}
