using System.Net;
using RabbitMQ.Client;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Telemetry;
using SafeAmqp.Transport;

namespace SafeAmqp.Broker;

/// <summary>One connection attempt and the connection that it leads to: one epoch of a link.</summary>
internal sealed class BrokerSession(RabbitMqLink link, int epoch)
{
    /// <summary>Far beyond our own deadlines: an RPC of RabbitMQ.Client that timed out can close the connection when its
    /// answer comes (#1827, which 7.2.2 does not mend yet).</summary>
    private static readonly TimeSpan Endless = TimeSpan.FromDays(1);

    /// <summary>How long the broker may take to answer our goodbye.</summary>
    private static readonly TimeSpan GoodbyeTimeout = TimeSpan.FromSeconds(1);

    /// <summary>What RabbitMQ.Client may take to end by itself what was abandoned. 6.3 s were seen.</summary>
    private static readonly TimeSpan TearDownTimeout = TimeSpan.FromSeconds(30);

    private readonly BrokerHost _host = link.Config.Host(epoch);
    private readonly CancellationTokenSource _ended = new();
    private readonly IncomingFrames _incoming = new(link.Owner.Arrive);
    private volatile LinkStream? _stream;

    internal int Epoch => epoch;

    /// <summary>Set on the owner's thread once the handshake is done.</summary>
    internal IConnection? Connection { get; private set; }

    /// <summary>What goes past RabbitMQ.Client; set with the connection.</summary>
    internal Outbox? Outbox { get; private set; }

    // The provider is user code: it runs on the pool.
    internal void Connect() => link.Then(() => UserCode.RunAsync(() => link.Config.Credentials(_ended.Token)), credentials =>
    {
        if (_ended.IsCancellationRequested)
            return;
        if (!credentials.IsCompletedSuccessfully)
        {
            // The provider's own exception may carry anything, secrets too: only its type is shown.
            Fail(new CloseReason(0, $"the credentials could not be had ({credentials.Exception?.GetBaseException().GetType().Name ?? "cancelled"})", ByBroker: false), refused: false);
            return;
        }
        Handshake(((Task<AmqpCredentials>)credentials).Result);
    });

    /// <summary>Closes the connection, with a goodbye when the broker can be expected to listen.</summary>
    internal async Task EndAsync(bool politely)
    {
        await _ended.CancelAsync().ConfigureAwait(false);
        IConnection? connection = Connection;
        if (politely && connection is { IsOpen: true })
        {
            Task goodbye = connection.CloseAsync(Constants.ReplySuccess, "Goodbye", Endless, abort: true, CancellationToken.None);
            await Task.WhenAny(goodbye, Task.Delay(GoodbyeTimeout, link.Config.Time, CancellationToken.None)).ConfigureAwait(false);
            RabbitMqLink.Forget(goodbye);
        }
        _stream?.Abandon(new OperationCanceledException("The link was given up."));
        if (connection is not null)
            RabbitMqLink.Forget(TearDownAsync(connection));
    }

    // Its main loop must have ended before: one that finds its connection disposed dies of that, and nobody sees its exception.
    private static async Task TearDownAsync(IConnection connection)
    {
        await connection.CloseAsync(Constants.ReplySuccess, "Goodbye", TearDownTimeout, abort: true, CancellationToken.None).ConfigureAwait(false);
        await connection.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Notes which of our channels has a number of the connection's.</summary>
    internal void Opened(ushort channel, long incarnation) => _incoming.Opened(channel, incarnation);

    internal LinkTraffic Traffic(ActorClock clock)
    {
        if (_stream is not { } stream)
            return default;
        return new LinkTraffic(clock.At(stream.LastReceived), stream.LastSent == 0 ? null : clock.At(stream.LastSent), stream.HasUnreadBytes, stream.BufferedBytes > 0);
    }

    internal TransportTotals Totals => _stream is { } stream ? new TransportTotals(stream.BytesReceived, stream.BytesSent, stream.Sends) : default;

    private void Handshake(AmqpCredentials credentials)
    {
        LinkConfig config = link.Config;
        // A factory per link, as one serves two connections badly (#1429), and never its Uri, which prints passwords.
        var factory = new ConnectionFactory
        {
            UserName = credentials.UserName,
            Password = credentials.Password,
            VirtualHost = config.Address.VirtualHost,
            ClientProvidedName = config.ConnectionName,
            RequestedHeartbeat = config.Heartbeat,
            RequestedFrameMax = LinkConfig.MaxFrameSize,
            // The factory's limit also caps a frame's size, and 0 means none; the guard in our stream knows the real bounds of both.
            MaxInboundMessageBodySize = (uint)config.MaxMessageSize,
            RequestedConnectionTimeout = Endless, // ours is shorter, and closes the socket
            HandshakeContinuationTimeout = Endless,
            ContinuationTimeout = Endless,
            AutomaticRecoveryEnabled = false, // recovery is the actor's
            TopologyRecoveryEnabled = false,
            SocketFactory = _ => new SocketAdapter(OpenSocketAsync),
        };
        var endpoint = new AmqpTcpEndpoint(_host.Name, _host.Port, new SslOption { Enabled = false }, (uint)config.MaxMessageSize);
        // RabbitMQ.Client does not come back from a silent server by itself: at the deadline the socket is closed under it.
        var deadline = new CancellationTokenSource(config.ConnectTimeout, config.Time);
        CancellationTokenRegistration closing = deadline.Token.UnsafeRegister(_ => _stream?.Abandon(TooSlow()), null);
        link.Then(() =>
        {
            Task<IConnection> connecting = factory.CreateConnectionAsync([endpoint], config.ConnectionName, CancellationToken.None);
            RabbitMqLink.Forget(connecting); // after the deadline nobody waits for it: its socket is closed, so it fails
            return connecting.WaitAsync(deadline.Token);
        }, done =>
        {
            closing.Unregister();
            bool timedOut = deadline.IsCancellationRequested;
            deadline.Dispose();
            Shake(done, timedOut, credentials);
        });
    }

    private void Shake(Task done, bool timedOut, AmqpCredentials credentials)
    {
        IConnection? connection = done.IsCompletedSuccessfully ? ((Task<IConnection>)done).Result : null;
        if (_ended.IsCancellationRequested)
        {
            if (connection is not null)
                RabbitMqLink.Forget(TearDownAsync(connection));
        }
        else if (connection is null)
        {
            Exception error = timedOut ? TooSlow() : done.Exception!.GetBaseException();
            _stream?.Abandon(error);
            Fail(Verdict.Of(error), Verdict.IsRefusal(error));
        }
        else
        {
            Connection = connection;
            Outbox = new Outbox(link, _stream!);
            Subscribe(connection);
            link.Owner.Post(new BrokerSignal.Connected(epoch, _host.ToString()));
            new SecretRenewal(link, connection, credentials.UserName, _ended.Token).Begin(credentials.ValidFor);
            if (!connection.IsOpen)
                Lose(Verdict.Of(connection.CloseReason!)); // it closed before we listened
        }
    }

    private void Subscribe(IConnection connection)
    {
        connection.ConnectionShutdownAsync += (_, reason) => Lose(Verdict.Of(reason));
        connection.ConnectionBlockedAsync += (_, blocked) => Post(new BrokerSignal.Blocked(epoch, StatusText.Printable(blocked.Reason)));
        connection.ConnectionUnblockedAsync += (_, _) => Post(new BrokerSignal.Unblocked(epoch));
        connection.CallbackExceptionAsync += (_, failed) =>
        {
            link.Events.Observe(Task.FromException(failed.Exception), "a callback failed");
            return Task.CompletedTask;
        };
    }

    private async Task<LinkStream> OpenSocketAsync(IPAddress address, int port, CancellationToken cancellationToken)
    {
        LinkConfig config = link.Config;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token, cancellationToken);
        LinkStream stream = await LinkConnector.ConnectAsync(address, port, config.TlsFor(_host), config.StreamOptions, config.ConnectTimeout,
            _incoming.Take, StreamEnded, either.Token).ConfigureAwait(false);
        _stream = stream;
        link.Owner.Post(new ShellStep(() => link.Owner.Attach(stream)));
        link.Endpoint = new LinkEndpoint(_host.Name, _host.Port, address, port);
        return stream;
    }

    // Without an error the broker closed the connection, and RabbitMQ.Client, which read its reason, says why; or we did.
    private void StreamEnded(Exception? error)
    {
        if (error is not null && !_ended.IsCancellationRequested)
            _ = Lose(Verdict.Of(error) with { Suspect = SuspectOf(error) });
    }

    // Called by the reader, so the channels' numbers are where any thread can read them.
    private PoisonSuspect? SuspectOf(Exception error)
        => error is FrameGuardException { Channel: { } channel } guard && _incoming.IncarnationOf(channel) is { } incarnation
            ? new PoisonSuspect(incarnation, guard.Rule.ToString(), guard.ContentSize)
            : null;

    private Task Lose(CloseReason reason) => Post(new BrokerSignal.LinkLost(epoch, reason));

    private void Fail(CloseReason reason, bool refused) => Post(new BrokerSignal.ConnectFailed(epoch, reason, refused, _host.ToString()));

    private Task Post(BrokerSignal signal)
    {
        link.Owner.Post(signal);
        return Task.CompletedTask;
    }

    private TimeoutException TooSlow() => new($"connecting to {_host} took longer than {link.Config.ConnectTimeout.TotalSeconds:0.###} s");
}
