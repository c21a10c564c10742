using System.Net;
using QuicTransports;
using SampleSettings;

namespace FederatedLearning.Quic;

/// <summary>Reads how QUIC is spoken, from the environment or any other source of configuration.</summary>
public static class QuicSettings
{
    /// <summary>Reads the settings; each is named where it is documented, at the options.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static QuicOptions From(Func<string, string?> setting)
    {
        var read = new SettingReader(setting);
        var defaults = new QuicOptions();
        string? certificate = read.Text("QUIC_CERTIFICATE"), key = read.Text("QUIC_KEY");
        if (certificate is null != key is null)
            throw new InvalidOperationException("QUIC_CERTIFICATE and QUIC_KEY must be set both, or neither.");
        var settings = new QuicOptions
        {
            Host = read.Text("QUIC_HOST", defaults.Host),
            Listen = IPAddress.TryParse(read.Text("QUIC_LISTEN", "127.0.0.1"), out var address)
                ? address
                : throw new InvalidOperationException("QUIC_LISTEN must be an IP address."),
            Port = read.Port("QUIC_PORT", defaults.Port, isListener: true),
            Transport = Enum.TryParse<QuicTransportChoice>(read.Text("QUIC_TRANSPORT", "auto"), ignoreCase: true,
                out var transport)
                && Enum.IsDefined(transport)
                ? transport
                : throw new InvalidOperationException("QUIC_TRANSPORT must be auto, system or ngtcp2."),
            CertificateFiles = certificate is null ? null : (certificate, key!),
            RootFile = read.Text("QUIC_CA"),
            Pin = read.Text("QUIC_PIN")?.Replace(":", "", StringComparison.Ordinal),
            ConnectTimeout = read.Seconds("QUIC_CONNECT_SECONDS", defaults.ConnectTimeout, 0.1, 600),
            IdleTimeout = read.Seconds("QUIC_IDLE_SECONDS", defaults.IdleTimeout, 0.5, 3600),
            KeepAlive = read.Seconds("QUIC_KEEPALIVE_SECONDS", defaults.KeepAlive, 0.1, 3600),
            Stall = read.Seconds("QUIC_STALL_SECONDS", defaults.Stall, 0.5, 3600),
            AlwaysRetry = read.Flag("QUIC_ALWAYS_RETRY", otherwise: false),
            MaxConnections = read.Whole("QUIC_MAX_CONNECTIONS", defaults.MaxConnections, 1, 100_000),
        };
        if (settings.Pin is { } pin && (pin.Length != 64 || !pin.All(char.IsAsciiHexDigit)))
            throw new InvalidOperationException(
                "QUIC_PIN must be the SHA-256 of a certificate: 64 hexadecimal digits.");
        if (settings.KeepAlive >= settings.IdleTimeout)
            throw new InvalidOperationException("QUIC_KEEPALIVE_SECONDS must be less than QUIC_IDLE_SECONDS.");
        return settings;
    }
}
