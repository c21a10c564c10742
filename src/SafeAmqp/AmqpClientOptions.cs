using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace SafeAmqp;

/// <summary>How a client connects, publishes and recovers. Checked and copied when the client is made: later changes
/// have no effect.</summary>
[DebuggerDisplay("{ToString(),nq}")]
public sealed class AmqpClientOptions
{
    /// <summary>The broker: <c>amqp://user:password@host:port/virtual-host</c>, or <c>amqps://</c> for TLS. Parts that
    /// it names win over the other options. In user, password and virtual host the characters <c>/ ? # @ : %</c> are
    /// percent-encoded.</summary>
    /// <remarks>Of RabbitMQ's query parameters these are read: <c>heartbeat</c> (seconds), <c>connection_timeout</c>
    /// (milliseconds), <c>channel_max</c>, <c>frame_max</c>, <c>auth_mechanism</c> (<c>plain</c> or
    /// <c>external</c>), and for <c>amqps</c> <c>cacertfile</c>, <c>certfile</c>, <c>keyfile</c>,
    /// <c>server_name_indication</c> and <c>verify=verify_peer</c>. Others are refused.</remarks>
    /// <value>Default: none; <see cref="Hosts"/> is used then.</value>
    // It may hold the password
    [System.Text.Json.Serialization.JsonIgnore, DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string? Uri { get; set; }

    /// <summary>Further nodes of the same cluster, as <c>host</c> or <c>host:port</c>, tried in turn after the one of
    /// <see cref="Uri"/>.</summary>
    /// <value>Default: none.</value>
    public IList<string> Hosts { get; set; } = [];

    /// <summary>The virtual host.</summary>
    /// <value>Default: <c>/</c>.</value>
    public string VirtualHost { get; set; } = "/";

    /// <summary>The user.</summary>
    /// <value>Default: the URI's, or <c>guest</c>, which a new RabbitMQ has, and takes from its own machine only unless
    /// its <c>loopback_users</c> say otherwise.</value>
    public string? UserName { get; set; }

    /// <summary>The password.</summary>
    /// <value>Default: none; the URI may name it.</value>
    [System.Text.Json.Serialization.JsonIgnore, DebuggerBrowsable(DebuggerBrowsableState.Never)]
    public string? Password { get; set; }

    /// <summary>Asked for user and password before each connection, so that rotated secrets are picked up. Wins over
    /// all others.</summary>
    /// <value>Default: none.</value>
    public Func<CancellationToken, ValueTask<AmqpCredentials>>? Credentials { get; set; }

    /// <summary>How the client authenticates. With <see cref="AmqpAuthMechanism.External"/> no user and no password may
    /// be set.</summary>
    /// <value>Default: <see cref="AmqpAuthMechanism.Plain"/>; the URI may name it.</value>
    public AmqpAuthMechanism AuthMechanism { get; set; }

    /// <summary>The name that the broker's management shows; each link adds its own to it. It should be unique in its
    /// process: clients of one name share the time series of their metrics.</summary>
    /// <value>At most 200 bytes of UTF-8. Default: the process's name.</value>
    public string? ClientName { get; set; }

    /// <summary>Whether publishing and consuming have a connection each.</summary>
    /// <value>Default: <see cref="AmqpConnectionLayout.Separate"/>.</value>
    public AmqpConnectionLayout Layout { get; set; } = AmqpConnectionLayout.Separate;

    /// <summary>TLS settings, for <c>amqps</c>.</summary>
    /// <value>Default: the operating system's roots, the name checked.</value>
    public AmqpTlsOptions Tls { get; set; } = new();

    /// <summary>Refuses a URI without TLS. Otherwise the scheme is the choice: <c>amqp://</c> is plain, and beyond
    /// loopback a warning in the log says so, once a client; <c>amqps://</c> is TLS.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool RequireTls { get; set; }

    /// <summary>The heartbeat to ask the broker for. A link from which nothing came for 1.5 of them is given
    /// up.</summary>
    /// <value>2 s to 1 hour; whole seconds. Default: 30 s. Below 30 s a process that is short of threads may lose its
    /// connection.</value>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one attempt to connect may take, TLS and handshake included. A host that has several addresses
    /// is tried at each of them, and they share that time. With <see cref="AmqpFirstConnect.FailFast"/> how long the
    /// first attempts at all hosts may take together.</summary>
    /// <value>100 ms to 10 minutes. Default: 10 s.</value>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether a first connection that fails throws or is tried again.</summary>
    /// <value>Default: not set. <see cref="AmqpClient.ConnectAsync(AmqpClientOptions, CancellationToken)"/> fails fast,
    /// <see cref="AmqpClient.OpenAsync"/> and a host's start go on trying.</value>
    public AmqpFirstConnect? FirstConnect { get; set; }

    /// <summary>The upper bound of the wait before the first retry; it doubles with each, and the wait is drawn evenly
    /// below it.</summary>
    /// <value>1 ms to 1 minute. Default: 100 ms.</value>
    public TimeSpan ReconnectDelay { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The highest upper bound of the wait between attempts.</summary>
    /// <value><see cref="ReconnectDelay"/> to 1 hour. Default: 5 s.</value>
    public TimeSpan MaxReconnectDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The wait after the broker refused the credentials or the virtual host, so that no account gets
    /// locked.</summary>
    /// <value>1 s to 1 hour. Default: 30 s.</value>
    public TimeSpan RefusedReconnectDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The deadline of a publish, from the call to the broker's answer.</summary>
    /// <value>10 ms to 1 day. Default: 30 s.</value>
    public TimeSpan PublishTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The deadline of declaring and of starting a consumer or server.</summary>
    /// <value>100 ms to 1 hour. Default: 30 s.</value>
    public TimeSpan OperationTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many publishes may be waiting or unanswered.</summary>
    /// <value>1 to 10,000,000. Default: 10,000.</value>
    public int MaxPendingMessages { get; set; } = 10_000;

    /// <summary>How many bytes of bodies may be waiting or unanswered. One larger message is admitted alone.</summary>
    /// <value>1 KiB to 16 GiB. Default: 64 MiB.</value>
    public long MaxPendingBytes { get; set; } = 64L << 20;

    /// <summary>What a publish does when the bound is reached.</summary>
    /// <value>Default: <see cref="AmqpFullMode.Wait"/>.</value>
    public AmqpFullMode FullMode { get; set; } = AmqpFullMode.Wait;

    /// <summary>How many publishes may be unconfirmed at once on a channel; the others wait here, where they can still
    /// be cancelled.</summary>
    /// <value>1 to 65,536. Default: 4,096.</value>
    public int MaxUnconfirmedMessages { get; set; } = 4096;

    /// <summary>How many bytes of bodies may be unconfirmed at once on a channel. One larger message goes
    /// alone.</summary>
    /// <value>1 KiB to 16 GiB. Default: 32 MiB.</value>
    public long MaxUnconfirmedBytes { get; set; } = 32L << 20;

    /// <summary>What becomes of publishes that are unconfirmed when the link is lost.</summary>
    /// <value>Default: <see cref="AmqpInFlightPolicy.Report"/>.</value>
    public AmqpInFlightPolicy InFlight { get; set; } = AmqpInFlightPolicy.Report;

    /// <summary>How many calls may be waiting for their reply.</summary>
    /// <value>1 to 1,000,000. Default: 10,000.</value>
    public int MaxPendingCalls { get; set; } = 10_000;

    /// <summary>The largest body that is sent or received. A larger one is refused before it is sent
    /// (<see cref="ArgumentException"/>); one that arrives stops its consumer (<see cref="AmqpPoisonException"/>) and
    /// stays in its queue. A reply or a request that is larger fails its call.</summary>
    /// <remarks>The broker has a limit of its own, <c>max_message_size</c> in its <c>rabbitmq.conf</c>: 16 MiB from
    /// RabbitMQ 4.0 on, 128 MiB before. It closes the channel of a larger message. For larger bodies raise both, here
    /// in every client that sends or receives them.</remarks>
    /// <value>1 KiB to 512 MiB, the most a broker can be set to. Default: 16 MiB, which every supported broker
    /// takes.</value>
    public long MaxMessageSize { get; set; } = 16L << 20;

    /// <summary>How long disposal waits for what is under way before it gives it up.</summary>
    /// <value>Zero to 5 minutes. Default: 5 s.</value>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What spans and metrics say.</summary>
    /// <value>Default: what the conventions ask for, and a meter of the process.</value>
    public AmqpTelemetryOptions Telemetry { get; set; } = new();

    /// <summary>Where log lines go.</summary>
    /// <value>Default: nowhere; <c>AddSafeAmqp</c> sets the host's.</value>
    public ILoggerFactory LoggerFactory { get; set; } = NullLoggerFactory.Instance;

    /// <summary>The source of time.</summary>
    /// <value>Default: the system's.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>Checks every option.</summary>
    /// <exception cref="ArgumentException">An option is not valid; the message names it and says what would
    /// be.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Hosts);
        ArgumentNullException.ThrowIfNull(Tls);
        ArgumentNullException.ThrowIfNull(Telemetry);
        ArgumentNullException.ThrowIfNull(LoggerFactory);
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentNullException.ThrowIfNull(VirtualHost);
        Check.Defined(Layout, nameof(Layout));
        Check.Defined(AuthMechanism, nameof(AuthMechanism));
        if (FirstConnect is { } firstConnect)
            Check.Defined(firstConnect, nameof(FirstConnect));
        Check.Defined(FullMode, nameof(FullMode));
        Check.Defined(InFlight, nameof(InFlight));
        if (ClientName is not null && System.Text.Encoding.UTF8.GetByteCount(ClientName) > 200)
            throw new ArgumentException($"{nameof(ClientName)} must be at most 200 bytes of UTF-8.",
                nameof(ClientName));
        Check.Range(Heartbeat, TimeSpan.FromSeconds(2), TimeSpan.FromHours(1), nameof(Heartbeat));
        Check.Range(ConnectTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10), nameof(ConnectTimeout));
        Check.Range(ReconnectDelay, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1), nameof(ReconnectDelay));
        Check.Range(MaxReconnectDelay, ReconnectDelay, TimeSpan.FromHours(1), nameof(MaxReconnectDelay));
        Check.Range(RefusedReconnectDelay, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1),
            nameof(RefusedReconnectDelay));
        CheckPublishTimeout(PublishTimeout, nameof(PublishTimeout));
        Check.Range(OperationTimeout, TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1), nameof(OperationTimeout));
        Check.Range(MaxPendingMessages, 1, 10_000_000, nameof(MaxPendingMessages));
        Check.Range(MaxPendingBytes, 1 << 10, 16L << 30, nameof(MaxPendingBytes));
        Check.Range(MaxUnconfirmedMessages, 1, 65_536, nameof(MaxUnconfirmedMessages));
        Check.Range(MaxUnconfirmedBytes, 1 << 10, 16L << 30, nameof(MaxUnconfirmedBytes));
        Check.Range(MaxPendingCalls, 1, 1_000_000, nameof(MaxPendingCalls));
        Check.Range(MaxMessageSize, 1 << 10, Wire.FrameFormat.MaxBodySize, nameof(MaxMessageSize));
        Check.Range(ShutdownTimeout, TimeSpan.Zero, TimeSpan.FromMinutes(5), nameof(ShutdownTimeout));
        Tls.Validate();
        _ = Broker.BrokerAddress.From(this);
    }

    internal static void CheckPublishTimeout(TimeSpan timeout, string name)
        => Check.Range(timeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1), name);

    /// <summary>A copy that later changes do not reach. Certificates and factories are shared.</summary>
    internal AmqpClientOptions Copy()
    {
        var copy = (AmqpClientOptions)MemberwiseClone();
        (copy.Hosts, copy.Tls, copy.Telemetry) = ([.. Hosts], Tls.Copy(), Telemetry.Copy());
        return copy;
    }

    /// <summary>Names the client and nothing secret.</summary>
    /// <returns>One line.</returns>
    public override string ToString() => $"options of client '{ClientName}'";
}

/// <summary>How a client authenticates: mechanisms of SASL.</summary>
public enum AmqpAuthMechanism
{
    /// <summary>By user and password (PLAIN).</summary>
    Plain,

    /// <summary>By its certificate (EXTERNAL): the TLS handshake proves it, and the broker takes the user from it.
    /// Needs <c>amqps://</c> and a client's certificate (<see cref="AmqpTlsOptions.ClientCertificateFile"/> or
    /// <see cref="AmqpTlsOptions.ClientCertificates"/>); RabbitMQ needs its plugin <c>rabbitmq_auth_mechanism_ssl</c>,
    /// EXTERNAL among its <c>auth_mechanisms</c>, and <c>ssl_options.verify = verify_peer</c>.</summary>
    External,
}

/// <summary>User and password for one connection attempt.</summary>
/// <param name="UserName">The user.</param>
/// <param name="Password">The password, or the token where the broker takes one in its place.</param>
[DebuggerDisplay("{ToString(),nq}")]
public readonly record struct AmqpCredentials(string UserName, [property: System.Text.Json.Serialization.JsonIgnore,
        DebuggerBrowsable(DebuggerBrowsableState.Never)] string Password)
{
    /// <summary>For how long they are valid from now. When 80 % of it is over they are asked for again, and the broker
    /// is given the new secret (<c>connection.update-secret</c>), so that a connection outlives the token that it was
    /// made with.</summary>
    /// <value>Default: none; they are asked for again only for the next connection.</value>
    public TimeSpan? ValidFor { get; init; }

    /// <summary>Hides both.</summary>
    /// <returns>One word.</returns>
    public override string ToString() => "credentials";
}

/// <summary>How links are laid over connections.</summary>
public enum AmqpConnectionLayout
{
    /// <summary>One connection publishes and calls, another consumes: a blocked publisher cannot hold back
    /// acknowledgements.</summary>
    Separate,

    /// <summary>One connection and one I/O thread for both, for applications that must save connections.</summary>
    Shared,
}

/// <summary>Whether a first connection that fails throws or is tried again.</summary>
public enum AmqpFirstConnect
{
    /// <summary>Goes on trying, as a lost link does. Operations wait for it until their deadlines.</summary>
    Retry,

    /// <summary>Throws <see cref="AmqpConnectException"/> when no host could be reached.</summary>
    FailFast,
}

/// <summary>What a publish does when too many are pending.</summary>
public enum AmqpFullMode
{
    /// <summary>Waits for its turn, until its deadline.</summary>
    Wait,

    /// <summary>Throws <see cref="AmqpNotSentException"/> at once.</summary>
    Fail,
}

/// <summary>What becomes of publishes that are unconfirmed when the link is lost.</summary>
public enum AmqpInFlightPolicy
{
    /// <summary>Each ends as <see cref="AmqpOutcome.Unknown"/>; its caller decides.</summary>
    Report,

    /// <summary>Each is published again on the next link, before anything newer, with the same message id, so that
    /// consumers can tell duplicates; a message without an id is given one.</summary>
    Republish,
}
