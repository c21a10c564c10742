using System.Net;
using FederatedLearning.Grpc;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Protocols.Tests.Support;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Protocols.Tests;

/// <summary>MQTT and gRPC over TLS.</summary>
public sealed class TlsTests : IDisposable
{
    private readonly CertificateFiles _files = new();
    private readonly LoggerFactory _loggers = new();
    private readonly int _port = Speaks.FreePort();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task Only_a_certificate_of_the_own_root_for_the_servers_name_is_trusted(string protocol)
    {
        await using var training = await Session.StartAsync(_ => [Handler(protocol)], rounds: 2, minClients: 1);
        training.Join("1", new SteppingLearner(10, 1), new ProtocolEntry<IClientLink>(
            protocol, () => Link(protocol, "localhost", _files.Root)));
        await training.CompleteAsync();

        await IsRefusedAsync("localhost", _files.OtherRoot);
        await IsRefusedAsync("127.0.0.1", _files.Root);

        async Task IsRefusedAsync(string host, string root)
        {
            await using var link = Link(protocol, host, root);
            var error = await Assert.ThrowsAsync<LinkException>(() => link.ConnectAsync(Token));
            Assert.True(error.IsFinal, error.Message);
        }
    }

    [Theory]
    [InlineData("mqtt")]
    [InlineData("grpc")]
    public async Task A_client_without_TLS_gets_nowhere_and_the_server_goes_on(string protocol)
    {
        await using var training = await Session.StartAsync(_ => [Handler(protocol)], rounds: 1, minClients: 1);
        await using (var plain = Speaks.Of(protocol).Link(ClientId.Parse("2"), _port, _loggers))
        {
            var error = await Assert.ThrowsAsync<LinkException>(() => plain.ConnectAsync(Token));
            Assert.False(error.IsFinal);
        }
        training.Join("1", new SteppingLearner(10, 1), new ProtocolEntry<IClientLink>(
            protocol, () => Link(protocol, "localhost", _files.Root)));
        var end = await training.CompleteAsync();
        Assert.Equal(1, end.Counts.Registrations);
    }

    [Fact]
    public void Beyond_this_machine_a_server_needs_a_certificate_and_one_that_cannot_be_read_is_said_so()
    {
        var mqtt = Assert.Throws<InvalidOperationException>(
            () => new MqttSettings { Bind = IPAddress.Any }.Validated());
        Assert.StartsWith("MQTT_CERT_FILE must be set", mqtt.Message, StringComparison.Ordinal);
        var grpc = Assert.Throws<InvalidOperationException>(
            () => new GrpcSettings { Bind = IPAddress.Any }.Validated());
        Assert.StartsWith("GRPC_CERT_FILE must be set", grpc.Message, StringComparison.Ordinal);
        foreach (string file in new[] { "/nowhere/server.pem", _files.ServerKey })
        {
            var error = Assert.Throws<InvalidOperationException>(() => Tls.ReadCertificate(file, _files.ServerKey));
            Assert.StartsWith($"The certificate in {file} cannot be used", error.Message, StringComparison.Ordinal);
            error = Assert.Throws<InvalidOperationException>(() => Tls.ReadRoots(file));
            Assert.StartsWith($"The certificates in {file} cannot be used", error.Message, StringComparison.Ordinal);
        }
    }

    public void Dispose()
    {
        _files.Dispose();
        _loggers.Dispose();
    }

    private IProtocolHandler Handler(string protocol) => protocol == "mqtt"
        ? new MqttProtocolHandler(
            new MqttSettings { Port = _port, CertificateFile = _files.Server, KeyFile = _files.ServerKey }, _loggers)
        : new GrpcProtocolHandler(
            new GrpcSettings { Port = _port, CertificateFile = _files.Server, KeyFile = _files.ServerKey }, _loggers);

    private IClientLink Link(string protocol, string host, string root) => protocol == "mqtt"
        ? new MqttClientLink(
            ClientId.Parse("1"), new MqttSettings { Host = host, Port = _port, Tls = true, CaFile = root }, _loggers)
        : new GrpcClientLink(
            ClientId.Parse("1"), new GrpcSettings { Host = host, Port = _port, Tls = true, CaFile = root }, _loggers);
}
