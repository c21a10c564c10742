using System.Buffers;
using System.Text;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Connections;

/// <summary>From the protocol header to connection.open-ok (AMQP 0-9-1, 2.2.4 and 10.10 to 10.41).</summary>
internal sealed partial class Connection
{
    private const ushort HandshakeFrameMax = 4096;
    private ushort _channelMax;

    private static ReadOnlySpan<byte> ProtocolHeader => "AMQP\0\0\u0009\u0001"u8;

    private bool ReadProtocolHeader(ref ReadOnlySequence<byte> input)
    {
        Span<byte> header = stackalloc byte[8];
        long have = Math.Min(input.Length, 8);
        input.Slice(0, have).CopyTo(header);
        if (!ProtocolHeader[..(int)have].SequenceEqual(header[..(int)have]))
        {
            // 4.2.2: answer with a header that would have been right, and close.
            _peer.Write(Broker.Rules.OfferedProtocol);
            input = input.Slice(input.End);
            End();
            return false;
        }
        if (have < 8)
            return false;
        input = input.Slice(8);
        Stage = ConnectionStage.Starting;
        Start();
        return true;
    }

    private void Start()
    {
        var capabilities = new Dictionary<string, object?>();
        foreach (string capability in (string[])[
            "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
            "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos",
            "direct_reply_to"])
            capabilities[capability] = true;
        var properties = new Dictionary<string, object?>
        {
            ["capabilities"] = capabilities,
            ["cluster_name"] = "safeamqp-testing@localhost",
            ["product"] = Broker.Options.Product,
            ["platform"] = ".NET",
            ["version"] = Broker.Rules.Version,
            ["information"] = "SafeAmqp.Testing, an embedded broker for tests and demonstrations only.",
        };
        Send(0, Broker.Writer.Start(Method.ConnectionStart)
            .Octet(0).Octet(9).Table(properties)
            .LongString(Broker.Options.ExternalUserName is null ? "AMQPLAIN PLAIN" : "EXTERNAL AMQPLAIN PLAIN")
            .LongString("en_US"));
    }

    private void OnConnectionMethod(Frame frame, uint method)
    {
        if (frame.Type != Frame.Method)
            throw Unexpected(frame);
        var fields = new MethodReader(frame.Payload[4..]);
        switch (method, Stage)
        {
            case (Method.ConnectionStartOk, ConnectionStage.Starting): OnStartOk(ref fields); break;
            case (Method.ConnectionTuneOk, ConnectionStage.Tuning): OnTuneOk(ref fields); break;
            case (Method.ConnectionOpen, ConnectionStage.Opening): OnOpen(ref fields); break;
            case (Method.ConnectionUpdateSecret, ConnectionStage.Running):
                Broker.History.Received(this, "connection.update-secret");
                if (Broker.Faults.Meets(new FaultScene(this, null, method)))
                    break;
                Send(0, Broker.Writer.Start(Method.ConnectionUpdateSecretOk));
                break;
            case (Method.ConnectionClose, _):
                Broker.History.Received(this, "connection.close");
                if (Broker.Faults.Meets(new FaultScene(this, null, method)))
                    break;
                Send(0, Broker.Writer.Start(Method.ConnectionCloseOk));
                End();
                break;
            case (Method.ConnectionCloseOk, _): End(); break;
            default:
                if (!Method.IsKnown(method))
                    throw UnknownMethod(method);
                throw new AmqpError(
                    ReplyCode.ChannelError,
                    "unexpected method in connection state " + (IsOpen ? "running" : "starting"));
        }
    }

    private void OnStartOk(ref MethodReader fields)
    {
        Dictionary<string, object?> client = fields.Table();
        string mechanism = fields.ShortString();
        ReadOnlySpan<byte> response = fields.LongBytes();
        string? name = FieldTable.Text(client.GetValueOrDefault("connection_name"));
        Name = name is { Length: > 0 } ? name : $"connection-{Id}";
        Capabilities = client.GetValueOrDefault("capabilities") as Dictionary<string, object?> ?? FieldTable.Empty;
        Broker.History.Received(this, "connection.start-ok");
        if (Broker.Faults.Meets(new FaultScene(this, null, Method.ConnectionStartOk)))
            return;
        User? known = mechanism switch
        {
            "PLAIN" => LogIn(Plain(response), $"response {ErlangText.Binary(response)} invalid"),
            "AMQPLAIN" => LogIn(AmqPlain(response),
                "AMQPLAIN auth info is missing either the LOGIN or the PASSWORD field"),
            "EXTERNAL" when Broker.Options.ExternalUserName is { } certified => Broker.Users.Find(certified),
            _ => throw new AmqpError(ReplyCode.CommandInvalid, $"unknown authentication mechanism '{mechanism}'"),
        };
        if (known is not { } found)
        {
            RefuseLogin(mechanism);
            return;
        }
        User = found;
        Stage = ConnectionStage.Tuning;
        AmqpTestBrokerOptions options = Broker.Options;
        Send(0, Broker.Writer.Start(Method.ConnectionTune).Short((ushort)options.ChannelMax)
            .Long((uint)options.FrameMax).Short((ushort)options.Heartbeat.TotalSeconds));
    }

    private User? LogIn((string User, string Password)? given, string wrong) => given is { } account
        ? Broker.Users.LogIn(account.User, account.Password) : throw new AmqpError(ReplyCode.SyntaxError, wrong);

    /// <summary>
    /// Tells a client that can hear it; others only see the socket close (RabbitMQ's authentication_failure_close).
    /// </summary>
    public void RefuseLogin(string mechanism)
    {
        string text =
            $"Login was refused using authentication mechanism {mechanism}. For details see the broker logfile.";
        Fail(new AmqpError(ReplyCode.AccessRefused, text), 0);
    }

    private void OnTuneOk(ref MethodReader fields)
    {
        ushort channelMax = fields.Short();
        uint frameMax = fields.Long();
        ushort heartbeat = fields.Short();
        Broker.History.Received(this, "connection.tune-ok");
        if (Broker.Faults.Meets(new FaultScene(this, null, Method.ConnectionTuneOk)))
            return;
        AmqpTestBrokerOptions options = Broker.Options;
        if (frameMax != 0 && frameMax < HandshakeFrameMax)
            throw new AmqpError(
                ReplyCode.NotAllowed,
                $"negotiated frame_max = {frameMax} lower than the minimum allowed value ({HandshakeFrameMax})");
        Negotiated("frame_max", frameMax, (uint)options.FrameMax);
        Negotiated("channel_max", channelMax, (uint)options.ChannelMax);
        _channelMax = channelMax;
        _frames.FrameMax = frameMax;
        Sender.FrameMax =
            frameMax is 0 or > FrameReader.Ceiling ? options.FrameMax == 0 ? 131072 : options.FrameMax : (int)frameMax;
        Stage = ConnectionStage.Opening;
        StartHeartbeats(heartbeat);
    }

    private static void Negotiated(string name, uint client, uint server)
    {
        if (server != 0 && (client == 0 || client > server))
            throw new AmqpError(ReplyCode.NotAllowed, client == 0
                ? $"negotiated {name} = no limit, which is higher than the maximum allowed value ({server})"
                : $"negotiated {name} = {client} is higher than the maximum allowed value ({server})");
    }

    private void OnOpen(ref MethodReader fields)
    {
        string vhost = fields.ShortString();
        if (!Broker.VirtualHosts.TryGetValue(vhost, out VirtualHost? host))
            throw new AmqpError(ReplyCode.NotAllowed, $"vhost {vhost} not found");
        if (!User.MayEnter(vhost))
            throw new AmqpError(ReplyCode.NotAllowed, $"access to vhost '{vhost}' refused for user '{User.Name}'");
        Host = host;
        _deadline?.Cancel();
        Stage = ConnectionStage.Running;
        Broker.History.Received(this, "connection.open");
        if (Broker.Faults.Meets(new FaultScene(this, null, Method.ConnectionOpen)))
        {
            // What is answered late comes here again.
            if (_late is not null)
                Stage = ConnectionStage.Opening;
            return;
        }
        Send(0, Broker.Writer.Start(Method.ConnectionOpenOk).ShortString(""));
    }

    /// <summary>RFC 4616: authorisation identity, user, password, with a zero octet between.</summary>
    private static (string, string)? Plain(ReadOnlySpan<byte> response)
    {
        string[] parts = Encoding.UTF8.GetString(response).Split('\0');
        return parts.Length == 3 ? (parts[1], parts[2]) : null;
    }

    /// <summary>A field table without its size, with LOGIN and PASSWORD.</summary>
    private static (string, string)? AmqPlain(ReadOnlySpan<byte> response)
    {
        Dictionary<string, object?> table = FieldTable.Read(response);
        return FieldTable.Text(table.GetValueOrDefault("LOGIN")) is { } user
            && FieldTable.Text(table.GetValueOrDefault("PASSWORD")) is { } password
            ? (user, password)
            : null;
    }
}
