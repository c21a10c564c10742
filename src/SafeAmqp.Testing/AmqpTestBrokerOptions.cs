namespace SafeAmqp.Testing;

/// <summary>How an embedded broker is set up. The defaults are RabbitMQ's where it has one.</summary>
public sealed class AmqpTestBrokerOptions
{
    private int? _maxMessageSize;

    /// <summary>The version of RabbitMQ whose behaviour it shows and whose number its server properties give.</summary>
    /// <value>Default: <see cref="RabbitMqVersion.RabbitMq40"/>.</value>
    public RabbitMqVersion Version { get; set; } = RabbitMqVersion.RabbitMq40;

    /// <summary>What the server properties give as <c>product</c>; some clients look at it.</summary>
    /// <value>Default: <c>RabbitMQ</c>.</value>
    public string Product { get; set; } = "RabbitMQ";

    /// <summary>The port on the loopback address; 0 takes a free one.</summary>
    /// <value>Default: 0.</value>
    public int Port { get; set; }

    /// <summary>The user that exists from the start, with all permissions in the virtual host <c>/</c>.</summary>
    /// <value>Default: <c>guest</c>.</value>
    public string UserName { get; set; } = "guest";

    /// <summary>That user's password.</summary>
    /// <value>Default: <c>guest</c>.</value>
    public string Password { get; set; } = "guest";

    /// <summary>
    /// The user as whom a connection logs in by EXTERNAL, as one whose certificate says so does with RabbitMQ. The
    /// broker itself has no TLS: what ends TLS stands before it and has seen the certificate. Without it the mechanism
    /// is not offered.
    /// </summary>
    /// <value>Default: none.</value>
    public string? ExternalUserName { get; set; }

    /// <summary>
    /// The clock of everything that waits: heartbeats, expiry, delayed confirms, acknowledgement time-outs.
    /// </summary>
    /// <value>Default: the system's.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <summary>
    /// What generated names and random faults come from: the same script with the same seed gives the same history.
    /// </summary>
    /// <value>Default: 1.</value>
    public int Seed { get; set; } = 1;

    /// <summary>The heartbeat interval that the broker proposes, in whole seconds; zero proposes none.</summary>
    /// <value>Default: 60 s.</value>
    public TimeSpan Heartbeat { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The largest frame that the broker proposes, in octets: 4,096 to 16,777,216.</summary>
    /// <value>Default: 131,072.</value>
    public int FrameMax { get; set; } = 131_072;

    /// <summary>How many channels a connection may have: 1 to 65,535.</summary>
    /// <value>Default: 2,047.</value>
    public int ChannelMax { get; set; } = 2_047;

    /// <summary>
    /// The largest message, in octets of its body; a larger one closes the channel with 406 (RabbitMQ's
    /// <c>max_message_size</c>).
    /// </summary>
    /// <value>
    /// Default: that of the <see cref="Version"/>, 16,777,216 (16 MiB) from 4.0 on and 134,217,728 (128 MiB) before.
    /// </value>
    public int MaxMessageSize
    {
        get => _maxMessageSize ?? Loop.VersionRules.DefaultMaxMessageSize(Version);
        set => _maxMessageSize = value;
    }

    /// <summary>
    /// How long a consumer may keep a message unsettled before its channel is closed with 406; zero is for ever.
    /// </summary>
    /// <value>Default: 30 minutes.</value>
    public TimeSpan ConsumerTimeout { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>
    /// When the messages in all queues take more octets than this, 256 for each in each queue beside its body and its
    /// properties, publishers are blocked until there is room (connection.blocked).
    /// </summary>
    /// <value>Default: 1,073,741,824 (1 GiB).</value>
    public long MemoryLimit { get; set; } = 1024L * 1024 * 1024;

    /// <summary>
    /// How many messages and settlements are kept to be looked at, as many errors, and as many events of other kinds; 0
    /// keeps none.
    /// </summary>
    /// <value>Default: 10,000.</value>
    public int HistoryCapacity { get; set; } = 10_000;

    /// <summary>How many octets the kept events may hold, in messages and in lists of queues.</summary>
    /// <value>Default: 67,108,864 (64 MiB).</value>
    public long HistoryBytes { get; set; } = 64 * 1024 * 1024;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Port);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Port, 65_535);
        ArgumentException.ThrowIfNullOrEmpty(UserName);
        ArgumentException.ThrowIfNullOrEmpty(Product);
        if (!Enum.IsDefined(Version))
            throw new ArgumentOutOfRangeException(nameof(Version), Version, "Must be a known version.");
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentOutOfRangeException.ThrowIfLessThan(FrameMax, 4_096);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FrameMax, 16 * 1024 * 1024);
        ArgumentOutOfRangeException.ThrowIfLessThan(ChannelMax, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ChannelMax, ushort.MaxValue);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxMessageSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MemoryLimit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(HistoryCapacity);
        ArgumentOutOfRangeException.ThrowIfNegative(Heartbeat.Ticks);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Heartbeat, TimeSpan.FromSeconds(ushort.MaxValue));
    }
}
