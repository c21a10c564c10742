using System.Net;
using FederatedLearning.Messages;
using MQTTnet;
using MQTTnet.Formatter;
using SampleSettings;

namespace FederatedLearning.Mqtt;

/// <summary>
/// How server and clients meet over MQTT. Read once, from the environment or any other source of configuration.
/// </summary>
public sealed record MqttSettings
{
    /// <summary>
    /// The broker's host: <c>MQTT_HOST</c>. Not set: the server brings a broker of its own, and clients look for it on
    /// this machine.
    /// </summary>
    public string? Host { get; init; }

    /// <summary>
    /// The broker's port, also of the server's own: <c>MQTT_PORT</c>. 0 for the server's own: one that is free.
    /// </summary>
    /// <value>1883</value>
    public int Port { get; init; } = 1883;

    /// <summary>The user: <c>MQTT_USER</c>. With the server's own broker, what clients have to say.</summary>
    /// <value>none</value>
    public string? User { get; init; }

    /// <summary>The password: <c>MQTT_PASSWORD</c>.</summary>
    public string? Password { get; init; }

    /// <summary>Whether the broker is spoken to over TLS: <c>MQTT_TLS</c>.</summary>
    /// <value>false</value>
    public bool Tls { get; init; }

    /// <summary>
    /// A file with the broker's root certificate, in PEM: <c>MQTT_CA_FILE</c>. Not set: those of the system.
    /// </summary>
    public string? CaFile { get; init; }

    /// <summary>The certificate of the server's own broker, in PEM: <c>MQTT_CERT_FILE</c>. Not set: no TLS.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>Its key, in PEM: <c>MQTT_KEY_FILE</c>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whether there may be no TLS beyond this machine: <c>MQTT_ALLOW_PLAINTEXT</c>.</summary>
    /// <value>false</value>
    public bool AllowPlaintext { get; init; }

    /// <summary>Where the server's own broker listens: <c>MQTT_BIND</c>.</summary>
    /// <value>127.0.0.1: on this machine alone</value>
    public IPAddress Bind { get; init; } = IPAddress.Loopback;

    /// <summary>
    /// What all topics and the names of connections begin with: <c>MQTT_TOPIC_PREFIX</c>. Server and clients must
    /// agree.
    /// </summary>
    /// <value>fl</value>
    public string Prefix { get; init; } = "fl";

    /// <summary>The keep-alive: <c>MQTT_KEEPALIVE_SECONDS</c>. 600 s, for very poor networks.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>
    /// How long one message may take to be handed over: <c>MQTT_SEND_TIMEOUT_SECONDS</c>. 600 s, as the keep-alive.
    /// </summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>Names the broker and never the password.</summary>
    public override string ToString() => $"{Host ?? "127.0.0.1"}:{Port}";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting, never its
    /// value.</exception>
    public static MqttSettings From(Func<string, string?> setting)
    {
        var read = new SettingReader(setting);
        var defaults = new MqttSettings();
        var settings = new MqttSettings
        {
            Host = read.Text("MQTT_HOST"),
            Port = read.Port("MQTT_PORT", defaults.Port, isListener: true),
            User = read.Text("MQTT_USER"),
            Password = read.Text("MQTT_PASSWORD"),
            Tls = read.Flag("MQTT_TLS", defaults.Tls),
            CaFile = read.Text("MQTT_CA_FILE"),
            CertificateFile = read.Text("MQTT_CERT_FILE"),
            KeyFile = read.Text("MQTT_KEY_FILE"),
            AllowPlaintext = read.Flag("MQTT_ALLOW_PLAINTEXT", defaults.AllowPlaintext),
            Bind = IPAddress.TryParse(read.Text("MQTT_BIND", "127.0.0.1"), out var address)
                ? address
                : throw new InvalidOperationException("MQTT_BIND must be an IP address."),
            Prefix = read.Text("MQTT_TOPIC_PREFIX", defaults.Prefix),
            KeepAlive = read.Seconds("MQTT_KEEPALIVE_SECONDS", defaults.KeepAlive, 1, 65_535),
            SendTimeout = read.Seconds("MQTT_SEND_TIMEOUT_SECONDS", defaults.SendTimeout, 0.1, 86_400),
        };
        return settings.Validated();
    }

    /// <summary>These settings, once they fit each other.</summary>
    /// <exception cref="InvalidOperationException">They do not; the message names the setting.</exception>
    public MqttSettings Validated()
    {
        if (Prefix.AsSpan().IndexOfAny('+', '#', '/') >= 0 || Prefix.Any(char.IsControl))
            throw new InvalidOperationException("MQTT_TOPIC_PREFIX must not have any of + # / in it.");
        if (Host is not null && !Tls && !AllowPlaintext && !Protocol.Tls.IsThisMachine(Host))
            throw new InvalidOperationException(
                "MQTT_TLS must be true for a broker on another machine, or MQTT_ALLOW_PLAINTEXT.");
        if (Host is null && CertificateFile is null && !AllowPlaintext && !IPAddress.IsLoopback(Bind))
            throw new InvalidOperationException(
                "MQTT_CERT_FILE must be set to listen beyond this machine, or MQTT_ALLOW_PLAINTEXT.");
        if (Password is not null && User is null) throw new InvalidOperationException("MQTT_PASSWORD needs MQTT_USER.");
        return this;
    }

    /// <summary>What a connection to the broker is made of.</summary>
    /// <param name="name">The client id of the connection.</param>
    /// <param name="version">MQTT 5, or 3.1.1 where the broker knows no other.</param>
    internal MqttClientOptionsBuilder ConnectionOptions(string name, MqttProtocolVersion version)
    {
        var options = new MqttClientOptionsBuilder()
            .WithTcpServer(Host ?? "127.0.0.1", Port)
            .WithProtocolVersion(version)
            .WithClientId(name)
            .WithKeepAlivePeriod(KeepAlive)
            .WithTimeout(SendTimeout);
        // No more than this many models are here unread.
        if (version == MqttProtocolVersion.V500) options.WithReceiveMaximum(4);
        if (User is not null) options.WithCredentials(User, Password ?? "");
        if (Tls)
        {
            options.WithTlsOptions(tls =>
            {
                tls.UseTls();
                if (CaFile is not null) tls.WithTrustChain(Protocol.Tls.ReadRoots(CaFile));
            });
        }
        return options;
    }

    /// <summary>
    /// The options, with a buffer that suits models: the library's own of 8 KiB makes 128 MiB take more than a minute.
    /// </summary>
    internal static MqttClientOptions Build(MqttClientOptionsBuilder builder)
    {
        var options = builder.Build();
        ((MqttClientTcpOptions)options.ChannelOptions).BufferSize = 1 << 20;
        return options;
    }
}

/// <summary>Every topic, as the peers know them.</summary>
internal sealed class MqttTopics(string prefix)
{
    // What the server says; each has a topic for all and one for each client.
    private static readonly string[] FromServer =
    [
        "training_config", "global_model", "start_training", "start_evaluation", "training_complete", "server_started",
        "rejected", "error",
    ];

    /// <summary>Where clients register.</summary>
    public string Register { get; } = $"{prefix}/client_register";

    /// <summary>What the server subscribes to.</summary>
    public IReadOnlyList<string> ToServer
        => [Register, $"{prefix}/client/+/update", $"{prefix}/client/+/metrics", $"{prefix}/client/+/left"];

    /// <summary>The server's own connection.</summary>
    public string ServerName { get; } = $"{prefix}-server";

    /// <summary>
    /// A client's connection. One client, one name: the broker ends an older connection when a newer one comes.
    /// </summary>
    public string ClientName(ClientId client) => $"{prefix}-client-{client}";

    /// <summary>A client's last will: the broker sends it when the client is gone.</summary>
    public string Left(ClientId client) => $"{prefix}/client/{client}/left";

    /// <summary>Where a client sends what it has to say.</summary>
    public string From(ClientMessage message)
        => message is ClientRegistration ? Register : $"{prefix}/client/{message.Client}/{ClientJson.KindOf(message)}";

    /// <summary>Where the server's message goes: to all, or to one.</summary>
    public string To(OutgoingMessage message)
        => message.Recipient is { } one ? $"{prefix}/{message.MessageType}/{one}" : $"{prefix}/{message.MessageType}";

    /// <summary>All that one client has to listen to.</summary>
    public IEnumerable<string> AllTo(ClientId client)
        => FromServer.SelectMany(type => new[] { $"{prefix}/{type}", $"{prefix}/{type}/{client}" });

    /// <summary>
    /// Whether a client may subscribe to a topic or a pattern: what the server says to all, and to one. Not what
    /// clients say.
    /// </summary>
    public bool MaySubscribe(string filter)
    {
        string[] parts = filter.Split('/');
        return parts is [var first, var second, ..] && first == prefix
            && second is not ("client" or "client_register" or "+" or "#")
            && FromServer.Contains(second);
    }

    /// <summary>
    /// Whose message a topic carries, and of what kind; null for a topic that the server does not take anything from.
    /// </summary>
    public (string Kind, ClientId? Client)? Parse(string topic)
    {
        if (topic == Register) return (ClientJson.Register, null);
        return topic.Split('/') is [var first, "client", var id, ("update" or "metrics" or "left") and var kind]
            && first == prefix && ClientId.TryParse(id, out var client)
            ? (kind, client)
            : null;
    }
}
