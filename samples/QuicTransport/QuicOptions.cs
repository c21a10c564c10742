using System.Net;

namespace QuicTransports;

/// <summary>Which implementation of QUIC is used.</summary>
public enum QuicTransportChoice
{
    /// <summary>System.Net.Quic where it is supported, libngtcp2 otherwise.</summary>
    Auto,

    /// <summary>System.Net.Quic, on libmsquic.</summary>
    System,

    /// <summary>libngtcp2 with GnuTLS.</summary>
    Ngtcp2,
}

/// <summary>How a server or a client speaks QUIC.</summary>
public sealed record QuicOptions
{
    /// <summary>The application protocol of every connection: <c>fl</c>.</summary>
    internal static readonly ReadOnlyMemory<byte> Alpn = "fl"u8.ToArray();

    /// <summary>The server's name or address, for clients: <c>QUIC_HOST</c>.</summary>
    /// <value>localhost</value>
    public string Host { get; init; } = "localhost";

    /// <summary>The address that the server listens on: <c>QUIC_LISTEN</c>.</summary>
    /// <value>127.0.0.1</value>
    public IPAddress Listen { get; init; } = IPAddress.Loopback;

    /// <summary>The UDP port: <c>QUIC_PORT</c>. 0, for the server alone: one that is free.</summary>
    /// <value>4433</value>
    public int Port { get; init; } = 4433;

    /// <summary>The implementation: <c>QUIC_TRANSPORT</c>, <c>auto</c>, <c>system</c> or <c>ngtcp2</c>.</summary>
    /// <value>auto</value>
    public QuicTransportChoice Transport { get; init; }

    /// <summary>
    /// PEM files of the server's certificate, with its chain, and of its key: <c>QUIC_CERTIFICATE</c>, <c>QUIC_KEY</c>.
    /// Null, on loopback alone: a self-signed one is made.
    /// </summary>
    public (string Certificate, string Key)? CertificateFiles { get; init; }

    /// <summary>A PEM file of the roots that a client trusts instead of those of the system: <c>QUIC_CA</c>.</summary>
    public string? RootFile { get; init; }

    /// <summary>The SHA-256 of the one certificate that a client trusts, in hexadecimal: <c>QUIC_PIN</c>.</summary>
    public string? Pin { get; init; }

    /// <summary>
    /// How long a client tries to connect, and how long a server waits for a registration: <c>QUIC_CONNECT_SECONDS</c>.
    /// </summary>
    /// <value>10 s</value>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>After how long without a sign of the peer a connection is lost: <c>QUIC_IDLE_SECONDS</c>.</summary>
    /// <value>60 s: more would hide clients that are dead</value>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How often a sign is given while nothing is sent: <c>QUIC_KEEPALIVE_SECONDS</c>.</summary>
    /// <value>15 s</value>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// How long a peer may take nothing of a message, or leave half of one unsent: <c>QUIC_STALL_SECONDS</c>.
    /// </summary>
    /// <value>60 s</value>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Whether every client has to show that its address is its own (Retry), also when few handshakes are under way:
    /// <c>QUIC_ALWAYS_RETRY</c>. Of libngtcp2 alone.
    /// </summary>
    public bool AlwaysRetry { get; init; }

    /// <summary>How many connections there may be, registered or not: <c>QUIC_MAX_CONNECTIONS</c>.</summary>
    /// <value>512</value>
    public int MaxConnections { get; init; } = 512;
}
