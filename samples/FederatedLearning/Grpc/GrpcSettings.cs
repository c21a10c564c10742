using System.Net;
using FederatedLearning.Messages;
using SampleSettings;

namespace FederatedLearning.Grpc;

/// <summary>
/// How server and clients meet over gRPC. Read once, from the environment or any other source of configuration.
/// </summary>
public sealed record GrpcSettings
{
    /// <summary>Where a client finds the server: <c>GRPC_HOST</c>.</summary>
    /// <value>127.0.0.1</value>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The server's port: <c>GRPC_PORT</c>. 0 for the server: one that is free.</summary>
    /// <value>50051</value>
    public int Port { get; init; } = 50051;

    /// <summary>Where the server listens: <c>GRPC_BIND</c>.</summary>
    /// <value>127.0.0.1: on this machine alone</value>
    public IPAddress Bind { get; init; } = IPAddress.Loopback;

    /// <summary>The server's certificate, in PEM: <c>GRPC_CERT_FILE</c>. Not set: no TLS.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>Its key, in PEM: <c>GRPC_KEY_FILE</c>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whether a client speaks TLS: <c>GRPC_TLS</c>.</summary>
    /// <value>false</value>
    public bool Tls { get; init; }

    /// <summary>
    /// A file with the root certificate that a client trusts, in PEM: <c>GRPC_CA_FILE</c>. Not set: those of the
    /// system.
    /// </summary>
    public string? CaFile { get; init; }

    /// <summary>Whether there may be no TLS beyond this machine: <c>GRPC_ALLOW_PLAINTEXT</c>.</summary>
    /// <value>false</value>
    public bool AllowPlaintext { get; init; }

    /// <summary>
    /// After how long without a byte the other side is asked whether it is there: <c>GRPC_KEEPALIVE_SECONDS</c>.
    /// </summary>
    /// <value>60 seconds; it has as long to answer</value>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// How long a client may take to read one message: <c>GRPC_SEND_TIMEOUT_SECONDS</c>. 600 s, for very poor networks.
    /// </summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>
    /// After how long without a call a client that polls is gone: <c>GRPC_POLL_TIMEOUT_SECONDS</c>. It does not call
    /// while it trains.
    /// </summary>
    /// <value>600 seconds</value>
    public TimeSpan PollTimeout { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>The most bytes of a message with what is around it.</summary>
    internal static int MaxMessage => MessageLimit.Bytes + MessageLimit.Overhead;

    /// <summary>The server's address as a client has it.</summary>
    internal Uri Address => new UriBuilder(Tls ? "https" : "http", Host, Port).Uri;

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static GrpcSettings From(Func<string, string?> setting)
    {
        var read = new SettingReader(setting);
        var defaults = new GrpcSettings();
        return new GrpcSettings
        {
            Host = read.Text("GRPC_HOST", defaults.Host),
            Port = read.Port("GRPC_PORT", defaults.Port, isListener: true),
            Bind = IPAddress.TryParse(read.Text("GRPC_BIND", "127.0.0.1"), out var address)
                ? address
                : throw new InvalidOperationException("GRPC_BIND must be an IP address."),
            CertificateFile = read.Text("GRPC_CERT_FILE"),
            KeyFile = read.Text("GRPC_KEY_FILE"),
            Tls = read.Flag("GRPC_TLS", defaults.Tls),
            CaFile = read.Text("GRPC_CA_FILE"),
            AllowPlaintext = read.Flag("GRPC_ALLOW_PLAINTEXT", defaults.AllowPlaintext),
            KeepAlive = read.Seconds("GRPC_KEEPALIVE_SECONDS", defaults.KeepAlive, 1, 86_400),
            SendTimeout = read.Seconds("GRPC_SEND_TIMEOUT_SECONDS", defaults.SendTimeout, 0.1, 86_400),
            PollTimeout = read.Seconds("GRPC_POLL_TIMEOUT_SECONDS", defaults.PollTimeout, 0.1, 86_400),
        }.Validated();
    }

    /// <summary>These settings, once they fit each other.</summary>
    /// <exception cref="InvalidOperationException">They do not; the message names the setting.</exception>
    public GrpcSettings Validated()
    {
        if (!Tls && !AllowPlaintext && !Protocol.Tls.IsThisMachine(Host))
            throw new InvalidOperationException(
                "GRPC_TLS must be true for a server on another machine, or GRPC_ALLOW_PLAINTEXT.");
        if (CertificateFile is null && !AllowPlaintext && !IPAddress.IsLoopback(Bind))
            throw new InvalidOperationException(
                "GRPC_CERT_FILE must be set to listen beyond this machine, or GRPC_ALLOW_PLAINTEXT.");
        return this;
    }
}
