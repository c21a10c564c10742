using System.Net;
using FederatedLearning.Dds;
using FederatedLearning.Quic;
using QuicTransports;

namespace FederatedLearning.Tests;

public sealed class SettingsTests
{
    [Fact]
    public void Every_setting_of_QUIC_is_read_by_its_name_and_has_its_default_otherwise()
    {
        var defaults = QuicSettings.From(_ => null);
        Assert.Equal(new QuicOptions(), defaults);
        Assert.Equal(("localhost", IPAddress.Loopback, 4433), (defaults.Host, defaults.Listen, defaults.Port));
        Assert.Equal((10, 60, 15, 60), (defaults.ConnectTimeout.TotalSeconds, defaults.IdleTimeout.TotalSeconds,
            defaults.KeepAlive.TotalSeconds, defaults.Stall.TotalSeconds));
        var all = new Dictionary<string, string>
        {
            ["QUIC_HOST"] = "server",
            ["QUIC_LISTEN"] = "::1",
            ["QUIC_PORT"] = "5000",
            ["QUIC_TRANSPORT"] = "Ngtcp2",
            ["QUIC_CERTIFICATE"] = "a.pem",
            ["QUIC_KEY"] = "a.key",
            ["QUIC_CA"] = "root.pem",
            ["QUIC_PIN"] = string.Concat(Enumerable.Repeat("AB:", 31)) + "AB",
            ["QUIC_CONNECT_SECONDS"] = "1",
            ["QUIC_IDLE_SECONDS"] = "5",
            ["QUIC_KEEPALIVE_SECONDS"] = "2",
            ["QUIC_STALL_SECONDS"] = "3",
            ["QUIC_ALWAYS_RETRY"] = "true",
            ["QUIC_MAX_CONNECTIONS"] = "7",
        };
        Assert.Equal(new QuicOptions
        {
            Host = "server",
            Listen = IPAddress.IPv6Loopback,
            Port = 5000,
            Transport = QuicTransportChoice.Ngtcp2,
            CertificateFiles = ("a.pem", "a.key"),
            RootFile = "root.pem",
            Pin = new string('A', 64).Replace("AA", "AB", StringComparison.Ordinal),
            ConnectTimeout = TimeSpan.FromSeconds(1),
            IdleTimeout = TimeSpan.FromSeconds(5),
            KeepAlive = TimeSpan.FromSeconds(2),
            Stall = TimeSpan.FromSeconds(3),
            AlwaysRetry = true,
            MaxConnections = 7,
        }, QuicSettings.From(all.GetValueOrDefault));
    }

    [Theory]
    [InlineData("QUIC_LISTEN", "here")]
    [InlineData("QUIC_PORT", "70000")]
    [InlineData("QUIC_TRANSPORT", "tcp")]
    [InlineData("QUIC_CERTIFICATE", "a.pem")]
    [InlineData("QUIC_PIN", "12")]
    [InlineData("QUIC_KEEPALIVE_SECONDS", "100")]
    [InlineData("QUIC_STALL_SECONDS", "soon")]
    [InlineData("QUIC_ALWAYS_RETRY", "perhaps")]
    public void A_wrong_setting_of_QUIC_is_named(string name, string value)
    {
        var error = Assert.Throws<InvalidOperationException>(
            () => QuicSettings.From(asked => asked == name ? value : null));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_setting_of_DDS_is_read_by_its_name_and_has_its_default_otherwise()
    {
        var defaults = DdsSettings.From(_ => null);
        Assert.Equal(new DdsSettings(), defaults);
        Assert.Equal((0, "lo", 10, 60),
            (defaults.Domain, defaults.Interface, defaults.ConnectTimeout.TotalSeconds, defaults.Stall.TotalSeconds));
        var all = new Dictionary<string, string>
        {
            ["DDS_DOMAIN"] = "7",
            ["DDS_INTERFACE"] = "eth0",
            ["DDS_LEASE_SECONDS"] = "4",
            ["DDS_CONNECT_SECONDS"] = "1",
            ["DDS_STALL_SECONDS"] = "2",
        };
        Assert.Equal(new DdsSettings
        {
            Domain = 7,
            Interface = "eth0",
            Lease = TimeSpan.FromSeconds(4),
            ConnectTimeout = TimeSpan.FromSeconds(1),
            Stall = TimeSpan.FromSeconds(2),
        }, DdsSettings.From(all.GetValueOrDefault));
    }

    [Theory]
    [InlineData("DDS_DOMAIN", "231")]
    [InlineData("DDS_INTERFACE", "lo\"/><Evil/>")]
    [InlineData("DDS_STALL_SECONDS", "soon")]
    public void A_wrong_setting_of_DDS_is_named(string name, string value)
    {
        var error = Assert.Throws<InvalidOperationException>(
            () => DdsSettings.From(asked => asked == name ? value : null));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }
}
