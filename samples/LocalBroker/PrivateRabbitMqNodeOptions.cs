namespace LocalBroker;

/// <summary>Settings of a private RabbitMQ node.</summary>
public sealed class PrivateRabbitMqNodeOptions
{
    /// <summary>The environment variable for <see cref="Root"/>.</summary>
    public const string RootVariable = "SAFEAMQP_RABBITMQ_ROOT";

    /// <summary>
    /// The folder whose RabbitMQ is started, the root of a whole system: <c>/</c> for the version installed on this
    /// machine, or the absolute path of a folder that <c>eng/rabbitmq-4</c> has made. The latter needs Linux, and root
    /// or user namespaces.
    /// </summary>
    /// <value>null: the folder that <see cref="RootVariable"/> names, else <c>/</c>.</value>
    public string? Root { get; init; }

    /// <summary>Erlang schedulers, that is: cores the broker may use.</summary>
    /// <value>1, so that a broker beside the tests leaves the other cores to them. Benchmarks take more.</value>
    public int Schedulers { get; init; } = 1;

    /// <summary>
    /// Whether idle schedulers spin for a while before they sleep, as a broker on its own machine does.
    /// </summary>
    /// <value>false: spinning takes the core from the tests. Benchmarks may want true.</value>
    public bool BusyWait { get; init; }

    /// <summary>How long a delivery may stay unacknowledged before the broker closes the channel.</summary>
    /// <value>null: the broker's own default, 30 minutes.</value>
    public TimeSpan? ConsumerTimeout { get; init; }

    /// <summary>How often a channel checks <see cref="ConsumerTimeout"/>.</summary>
    /// <value>null: the broker's own default, one minute.</value>
    public TimeSpan? ChannelTickInterval { get; init; }

    /// <summary>The largest body in bytes that the broker takes; a larger one closes the channel with 406.</summary>
    /// <value>null: the broker's own default, 16 MiB since 4.0 and 128 MiB before.</value>
    public long? MaxMessageSize { get; init; }

    /// <summary>Memory in megabytes above which the broker blocks publishers.</summary>
    /// <value>1024.</value>
    public int MemoryLimitMegabytes { get; init; } = 1024;

    /// <summary>Free disk space in megabytes below which the broker blocks publishers.</summary>
    /// <value>50.</value>
    public int DiskFreeLimitMegabytes { get; init; } = 50;

    /// <summary>
    /// Plugins that are enabled, by name, for example <c>rabbitmq_mqtt</c>. What they listen on is said in
    /// <see cref="ConfigurationLines"/>.
    /// </summary>
    /// <value>None.</value>
    public IReadOnlyList<string> Plugins { get; init; } = [];

    /// <summary>Further lines for <c>rabbitmq.conf</c>, for example <c>heartbeat = 5</c>.</summary>
    /// <value>None.</value>
    public IReadOnlyList<string> ConfigurationLines { get; init; } = [];

    /// <summary>
    /// How long the node may take until it answers the AMQP handshake; about 5 seconds on an idle machine.
    /// </summary>
    /// <value>90 seconds.</value>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(90);

    /// <summary>
    /// How long the node may take to shut down by itself before it is killed; about 1 second when idle.
    /// </summary>
    /// <value>15 seconds.</value>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long one <c>rabbitmqctl</c> command may take; about 0.4 seconds on an idle machine.</summary>
    /// <value>30 seconds.</value>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
