using System.Globalization;
using FederatedLearning.Messages;
using Microsoft.Extensions.Logging;
using SafeAmqp;
using SampleSettings;

namespace FederatedLearning.Amqp;

/// <summary>
/// How server and clients reach the broker. Read once, from the environment or any other source of configuration.
/// </summary>
public sealed record AmqpSettings
{
    /// <summary>The broker's host: <c>AMQP_HOST</c>.</summary>
    public string Host { get; init; } = "localhost";

    /// <summary>Its port: <c>AMQP_PORT</c>.</summary>
    public int Port { get; init; } = 5672;

    /// <summary>The user: <c>AMQP_USER</c>.</summary>
    public string User { get; init; } = "guest";

    /// <summary>The password: <c>AMQP_PASSWORD</c>.</summary>
    public string Password { get; init; } = "guest";

    /// <summary>The virtual host: <c>AMQP_VHOST</c>.</summary>
    public string VirtualHost { get; init; } = "/";


    /// <summary>The heartbeat: <c>AMQP_HEARTBEAT_SECONDS</c>. 600 s, for very poor networks.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>
    /// How long a message waits for a broker that is away or blocks: <c>AMQP_BLOCKED_TIMEOUT_SECONDS</c>. 600 s, as the
    /// heartbeat.
    /// </summary>
    public TimeSpan BlockedTimeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>
    /// Put before the name of every exchange and queue, so that a demonstration does not disturb the other users of a
    /// broker: <c>AMQP_NAME_PREFIX</c>. Server and clients must agree. Empty: the names as existing peers know them.
    /// </summary>
    public string NamePrefix { get; init; } = "";

    /// <summary>
    /// After how long without use the queues go, for demonstrations: <c>AMQP_QUEUE_EXPIRES_SECONDS</c>. Server and
    /// clients must agree. None: they stay.
    /// </summary>
    public TimeSpan? QueueExpiry { get; init; }

    /// <summary>Names the broker and never the password.</summary>
    public override string ToString() => $"{Host}:{Port}, virtual host {VirtualHost}";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting, never its
    /// value.</exception>
    public static AmqpSettings From(Func<string, string?> setting)
    {
        var read = new SettingReader(setting);
        var defaults = new AmqpSettings();
        return new AmqpSettings
        {
            Host = read.Text("AMQP_HOST", defaults.Host),
            Port = read.Port("AMQP_PORT", defaults.Port),
            User = read.Text("AMQP_USER", defaults.User),
            Password = read.Text("AMQP_PASSWORD", defaults.Password),
            VirtualHost = read.Text("AMQP_VHOST", defaults.VirtualHost),
            Heartbeat = read.Seconds("AMQP_HEARTBEAT_SECONDS", defaults.Heartbeat, 2, 3600),
            BlockedTimeout = read.Seconds("AMQP_BLOCKED_TIMEOUT_SECONDS", defaults.BlockedTimeout, 0.1, 86_400),
            NamePrefix = read.Text("AMQP_NAME_PREFIX", defaults.NamePrefix),
            QueueExpiry = read.Seconds("AMQP_QUEUE_EXPIRES_SECONDS", 1),
        };
    }

    /// <summary>How a client takes part: <c>CLIENT_WAY</c>, <c>broadcast</c> or <c>unified</c>.</summary>
    /// <exception cref="InvalidOperationException">It is neither.</exception>
    public static ClientWay WayOf(Func<string, string?> setting)
        => new SettingReader(setting).Text("CLIENT_WAY")?.ToLowerInvariant() switch
        {
            null or "broadcast" => ClientWay.Broadcast,
            "unified" => ClientWay.Unified,
            _ => throw new InvalidOperationException("CLIENT_WAY must be broadcast or unified."),
        };

    /// <summary>What the AMQP client is made of.</summary>
    internal AmqpClientOptions ClientOptions(string name, ILoggerFactory loggers) => new()
    {
        Hosts = [$"{(Host.Contains(':') ? $"[{Host}]" : Host)}:{Port.ToString(CultureInfo.InvariantCulture)}"],
        VirtualHost = VirtualHost,
        UserName = User,
        Password = Password,
        ClientName = name,
        Heartbeat = Heartbeat,
        PublishTimeout = BlockedTimeout,
        // Models are large: one message may have 128 MiB, if max_message_size of the broker allows it, and one that is
        // larger than the credit goes alone.
        MaxMessageSize = MessageLimit.Bytes,
        // A message whose confirm was lost with its connection goes again; both sides ignore what they have already
        // seen.
        InFlight = AmqpInFlightPolicy.Republish,
        LoggerFactory = loggers,
    };
}
