using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>How server and clients reach the broker. Read once, from the environment or any other source of configuration.</summary>
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

    /// <summary>Whether a broker on another machine may be reached without TLS: <c>AMQP_ALLOW_PLAINTEXT</c>.</summary>
    public bool AllowPlaintext { get; init; }

    /// <summary>The heartbeat: <c>AMQP_HEARTBEAT_SECONDS</c>. 600 s, for very poor networks.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>How long a message waits for a broker that is away or blocks: <c>AMQP_BLOCKED_TIMEOUT_SECONDS</c>. 600 s, as the heartbeat.</summary>
    public TimeSpan BlockedTimeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>
    /// Put before the name of every exchange and queue, so that a demonstration disturbs nobody on a broker that others use: <c>AMQP_NAME_PREFIX</c>.
    /// Server and clients must agree. Empty: the names as existing peers know them.
    /// </summary>
    public string NamePrefix { get; init; } = "";

    /// <summary>After how long without use the queues go, for demonstrations: <c>AMQP_QUEUE_EXPIRES_SECONDS</c>. Server and clients must agree. None: they stay.</summary>
    public TimeSpan? QueueExpiry { get; init; }

    /// <summary>Names the broker and never the password.</summary>
    public override string ToString() => $"{Host}:{Port}, virtual host {VirtualHost}";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting, never its value.</exception>
    public static AmqpSettings From(IConfiguration configuration)
    {
        var defaults = new AmqpSettings();
        return new AmqpSettings
        {
            Host = Text("AMQP_HOST", defaults.Host),
            Port = (int)Number("AMQP_PORT", defaults.Port, 1, 65_535),
            User = Text("AMQP_USER", defaults.User),
            Password = Text("AMQP_PASSWORD", defaults.Password),
            VirtualHost = Text("AMQP_VHOST", defaults.VirtualHost),
            AllowPlaintext = Text("AMQP_ALLOW_PLAINTEXT", "false").Equals("true", StringComparison.OrdinalIgnoreCase),
            Heartbeat = Seconds("AMQP_HEARTBEAT_SECONDS", defaults.Heartbeat, 2, 3600),
            BlockedTimeout = Seconds("AMQP_BLOCKED_TIMEOUT_SECONDS", defaults.BlockedTimeout, 0.1, 86_400),
            NamePrefix = Text("AMQP_NAME_PREFIX", defaults.NamePrefix),
            QueueExpiry = string.IsNullOrWhiteSpace(configuration["AMQP_QUEUE_EXPIRES_SECONDS"]) ? null : Seconds("AMQP_QUEUE_EXPIRES_SECONDS", default, 1, 86_400),
        };

        string Text(string name, string otherwise)
            => configuration[name] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : otherwise;

        TimeSpan Seconds(string name, TimeSpan otherwise, double min, double max) => TimeSpan.FromSeconds(Number(name, otherwise.TotalSeconds, min, max));

        double Number(string name, double otherwise, double min, double max)
        {
            var text = Text(name, otherwise.ToString(CultureInfo.InvariantCulture));
            return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max
                ? value
                : throw new InvalidOperationException($"{name} must be a number from {min} to {max}.");
        }
    }

    /// <summary>What the AMQP client is made of.</summary>
    internal AmqpClientOptions ClientOptions(string name, ILoggerFactory loggers) => new()
    {
        Hosts = [$"{(Host.Contains(':') ? $"[{Host}]" : Host)}:{Port.ToString(CultureInfo.InvariantCulture)}"],
        VirtualHost = VirtualHost,
        UserName = User,
        Password = Password,
        AllowPlaintext = AllowPlaintext,
        ClientName = name,
        Heartbeat = Heartbeat,
        PublishTimeout = BlockedTimeout,
        // Models are large: one message may have 128 MiB, if max_message_size of the broker allows it, and one that is
        // larger than the credit goes alone.
        MaxMessageSize = 128L << 20,
        // A message whose confirm was lost with its connection goes again; both sides ignore what they have already seen.
        InFlight = AmqpInFlightPolicy.Republish,
        LoggerFactory = loggers,
    };
}
