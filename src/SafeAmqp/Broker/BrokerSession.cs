using System.Net;
using System.Text;
using RabbitMQ.Client;
using SafeAmqp.Actor;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;
using SafeAmqp.Transport;
using SafeAmqp.Wire;

namespace SafeAmqp.Broker;

/// <summary>One connection attempt and the connection that it leads to: one epoch of a link.</summary>
internal sealed class BrokerSession
{
    /// <summary>Far beyond our own deadlines: an RPC of RabbitMQ.Client that timed out can close the connection when
    /// its answer comes (#1827, which 7.2.2 does not fix yet).</summary>
    private static readonly TimeSpan Endless = TimeSpan.FromDays(1);

    /// <summary>How long the broker may take to answer connection.close.</summary>
    private static readonly TimeSpan GoodbyeTimeout = TimeSpan.FromSeconds(1);

    /// <summary>How long RabbitMQ.Client may take to close an abandoned connection by itself. 6.3 s were
    /// seen.</summary>
    private static readonly TimeSpan TearDownTimeout = TimeSpan.FromSeconds(30);

    private readonly RabbitMqLink _link;
    private readonly BrokerHost _host;
    private readonly TimeSpan _within;
    private readonly InboundPipe _inbound = new();
    private readonly FrameReader _incoming;
    private readonly CancellationTokenSource _ended = new();
    private volatile ClientStream? _stream;

    internal BrokerSession(RabbitMqLink link, int epoch, TimeSpan within)
    {
        _link = link;
        _within = within;
        _host = link.Config.Host(epoch);
        _incoming = new FrameReader(FrameFormat.MaxFrameSize, link.Config.MaxMessageSize,
            new SignalSink(link.Owner.Arrive, _inbound));
        Epoch = epoch;
    }

    internal int Epoch { get; }

    /// <summary>Set on the owner's thread once the handshake is done.</summary>
    internal IConnection? Connection { get; private set; }

    /// <summary>For frames that bypass RabbitMQ.Client. Set with the connection.</summary>
    internal Outbox? Outbox { get; private set; }

    // The provider is user code: it runs on the pool.
    internal void Connect() => _link.Then(() => UserCode.RunAsync(() => _link.Config.Credentials(_ended.Token)),
        credentials =>
    {
        if (_ended.IsCancellationRequested)
            return;
        if (!credentials.IsCompletedSuccessfully)
        {
            // The provider's own exception may carry anything, secrets too: only its type is shown.
            Fail(CloseReason.Local("the credentials could not be had "
                + $"({credentials.Exception?.GetBaseException().GetType().Name ?? "cancelled"})"), refused: false);
            return;
        }
        Handshake(credentials.Result);
    });

    /// <summary>Closes the connection, with connection.close when the broker can be expected to answer.</summary>
    internal async Task EndAsync(bool politely)
    {
        // Not awaited: what the provider of credentials has registered on its token is user code
        _link.Events.Observe(_ended.CancelAsync(), "a callback on the credentials' token threw");
        IConnection? connection = Connection;
        if (politely && connection is { IsOpen: true })
        {
            Task goodbye = connection.CloseAsync(Constants.ReplySuccess, "Goodbye", Endless, abort: true,
                CancellationToken.None);
            await Task.WhenAny(goodbye, Task.Delay(GoodbyeTimeout, _link.Config.Time,
                CancellationToken.None)).ConfigureAwait(false);
            goodbye.Forget();
        }
        _stream?.Abandon(new OperationCanceledException("The link was given up."));
        if (connection is not null)
            TearDownAsync(connection).Forget();
    }

    // Its main loop must have ended first: it would fail on a disposed connection, with an unobserved exception.
    private static async Task TearDownAsync(IConnection connection)
    {
        await connection.CloseAsync(Constants.ReplySuccess, "Goodbye", TearDownTimeout, abort: true,
            CancellationToken.None).ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Maps a channel number of the connection to one of our channels.</summary>
    internal void Opened(ushort channel, long incarnation) => _incoming.Own(channel, incarnation);

    internal LinkTraffic Traffic(MonotonicClock clock)
    {
        if (_stream is not { } stream)
            return default;
        return new LinkTraffic(clock.At(stream.LastReceived), stream.LastSent == 0 ? null : clock.At(stream.LastSent),
            stream.HasUnreadBytes, stream.BufferedBytes > 0);
    }

    internal TransportTotals Totals
        => _stream is { } stream ? new TransportTotals(stream.BytesReceived, stream.BytesSent, stream.Sends) : default;

    private void Handshake(AmqpCredentials credentials)
    {
        LinkConfig config = _link.Config;
        // A factory per link, as one serves two connections badly (#1429), and never its Uri, which prints passwords.
        var factory = new ConnectionFactory
        {
            UserName = credentials.UserName,
            Password = credentials.Password,
            AuthMechanisms = config.Address.Mechanism == AmqpAuthMechanism.External ? [new ExternalMechanismFactory()]
                : ConnectionFactory.DefaultAuthMechanisms,
            VirtualHost = config.Address.VirtualHost,
            ClientProvidedName = config.ConnectionName,
            RequestedHeartbeat = config.Heartbeat,
            RequestedFrameMax = config.Address.Settings.FrameMax ?? FrameFormat.MaxFrameSize,
            RequestedChannelMax = config.Address.Settings.ChannelMax ?? ConnectionFactory.DefaultChannelMax,
            // The factory's limit also caps a frame's size, and 0 means none; our frame reader knows the real bounds of
            // both.
            MaxInboundMessageBodySize = (uint)config.MaxMessageSize,
            RequestedConnectionTimeout = Endless, // ours is shorter, and closes the socket
            HandshakeContinuationTimeout = Endless,
            ContinuationTimeout = Endless,
            AutomaticRecoveryEnabled = false, // recovery is the actor's
            TopologyRecoveryEnabled = false,
            SocketFactory = _ => new SocketAdapter(OpenSocketAsync),
        };
        // The address is not looked at: RabbitMQ.Client would try one of each version of IP, and no other.
        var endpoint = new AmqpTcpEndpoint(IPAddress.Loopback.ToString(), _host.Port, new SslOption { Enabled = false },
            (uint)config.MaxMessageSize);
        // RabbitMQ.Client does not return from a silent server by itself, so the socket is closed at the deadline.
        var deadline = new CancellationTokenSource(_within, config.Time);
        CancellationTokenRegistration closing = deadline.Token.UnsafeRegister(_ => _stream?.Abandon(TooSlow()), null);
        _link.Then(() =>
        {
            Task<IConnection> connecting =
                factory.CreateConnectionAsync([endpoint], config.ConnectionName, CancellationToken.None);
            // After the deadline it is not awaited: its socket is closed, so it fails
            connecting.Forget();
            return connecting.WaitAsync(deadline.Token);
        }, done =>
        {
            closing.Unregister();
            bool timedOut = deadline.IsCancellationRequested;
            deadline.Dispose();
            FinishHandshake(done, timedOut, credentials);
        });
    }

    private void FinishHandshake(Task<IConnection> done, bool timedOut, AmqpCredentials credentials)
    {
        IConnection? connection = done.IsCompletedSuccessfully ? done.Result : null;
        if (_ended.IsCancellationRequested)
        {
            if (connection is not null)
                TearDownAsync(connection).Forget();
        }
        else if (connection is null)
        {
            Exception error = timedOut ? TooSlow() : NoBroker() ?? done.Exception!.GetBaseException();
            _stream?.Abandon(error);
            Fail(CloseClassifier.Of(error, _host.Name, credentials.UserName, _link.Config.Address.Mechanism),
                CloseClassifier.IsRefusal(error));
        }
        else
        {
            Connection = connection;
            _link.BrokerVersion = VersionOf(connection);
            Outbox = new Outbox(_link, _stream!);
            Subscribe(connection);
            _link.Post(new BrokerSignal.Connected(Epoch, _host.ToString(), connection.ChannelMax));
            new SecretRenewal(_link, connection, credentials.UserName, _ended.Token).Begin(credentials.ValidFor);
            if (!connection.IsOpen)
                Lose(CloseClassifier.Of(connection.CloseReason!)); // it closed before the handlers were attached
        }
    }

    // "4.1.0-beta.1" is 4.1.0 where it is asked what it can do.
    private static Version? VersionOf(IConnection connection)
        => connection.ServerProperties?.TryGetValue("version", out object? version) == true && version is byte[] text
            && Version.TryParse(Encoding.UTF8.GetString(text).Split('-', '+')[0], out Version? parsed) ? parsed : null;

    // What the first bytes, or none, said of the peer; RabbitMQ.Client takes it for a network that is slow.
    private FrameViolationException? NoBroker() => _stream switch
    {
        { Reason: FrameViolationException foreign } => foreign,
        { End: LinkEnd.PeerClosed, BytesReceived: 0 } => new FrameViolationException(FrameRule.FrameType,
            "The peer closed the connection without a word: it may want TLS on this port (amqps://), or speak no "
                + "AMQP."),
        _ => null,
    };

    private void Subscribe(IConnection connection)
    {
        connection.ConnectionShutdownAsync += (_, reason) => Lose(CloseClassifier.Of(reason));
        connection.ConnectionBlockedAsync += (_, blocked)
            => _link.Post(new BrokerSignal.Blocked(Epoch, StatusText.Printable(blocked.Reason)));
        connection.ConnectionUnblockedAsync += (_, _) => _link.Post(new BrokerSignal.Unblocked(Epoch));
        connection.CallbackExceptionAsync += (_, failed) =>
        {
            _link.Events.Observe(Task.FromException(failed.Exception), "a callback failed");
            return Task.CompletedTask;
        };
    }

    private async Task<ClientStream> OpenSocketAsync(CancellationToken cancellationToken)
    {
        LinkConfig config = _link.Config;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token, cancellationToken);
        TlsSettings? settings = config.TlsFor(_host);
        IPAddress[] addresses = await Dns.GetHostAddressesAsync(_host.Name, either.Token).ConfigureAwait(false);
        var (stream, address) = await LinkConnector.ConnectAsync(addresses, _host.Port, settings, _within, config.Time,
            (socket, tls) => new ClientStream(socket, tls, _incoming, _inbound, config.Time, StreamEnded),
            either.Token).ConfigureAwait(false);
        _stream = stream;
        if (_ended.IsCancellationRequested) // EndAsync may not have seen it
            stream.Abandon(new OperationCanceledException("The link was given up."));
        _link.Owner.Post(new ShellStep(() => _link.Owner.Attach(stream)));
        _link.Endpoint = new LinkEndpoint(_host.Name, _host.Port, address, _host.Port);
        return stream;
    }

    // Without an error the broker closed the connection, and RabbitMQ.Client, which read its reason, says why; or we
    // did.
    private void StreamEnded(Exception? error)
    {
        if (error is not null && !_ended.IsCancellationRequested)
            _ = Lose(CloseClassifier.Of(error) with { Suspect = SuspectOf(error) });
    }

    // May be called by any thread.
    private PoisonSuspect? SuspectOf(Exception error)
        => error is FrameViolationException { Channel: { } channel } malformed
            && _incoming.IdOf(channel) is { } incarnation
            ? new PoisonSuspect(incarnation, malformed.Rule.ToString(), malformed.ContentSize)
            : null;

    private Task Lose(CloseReason reason) => _link.Post(new BrokerSignal.LinkLost(Epoch, reason));

    private void Fail(CloseReason reason, bool refused)
        => _link.Post(new BrokerSignal.ConnectFailed(Epoch, reason, refused, _host.ToString()));

    private TimeoutException TooSlow()
        => new($"{_host} did not answer within {_within.TotalSeconds:0.###} s");
}
