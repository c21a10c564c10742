using System.Net;
using System.Net.Sockets;
using FederatedLearning.Grpc;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Protocols.Tests.Support;

/// <summary>
/// A protocol as tests have it: how its handler is made to listen on a port, and how a client gets there.
/// </summary>
internal sealed record Speaks(
    string Name, Func<int, ILoggerFactory, IProtocolHandler> Handler,
    Func<ClientId, int, ILoggerFactory, IClientLink> Link)
{
    public static readonly Speaks Mqtt = new(
        MqttProtocolHandler.ProtocolName,
        (port, loggers) => new MqttProtocolHandler(
            new MqttSettings { Port = port, SendTimeout = TimeSpan.FromSeconds(60) }, loggers),
        (client, port, loggers) => new MqttClientLink(
            client, new MqttSettings { Port = port, SendTimeout = TimeSpan.FromSeconds(60) }, loggers));

    public static readonly Speaks Grpc = new(
        GrpcProtocolHandler.ProtocolName,
        (port, loggers) => new GrpcProtocolHandler(
            new GrpcSettings { Port = port, SendTimeout = TimeSpan.FromSeconds(60) }, loggers),
        (client, port, loggers) => new GrpcClientLink(
            client, new GrpcSettings { Port = port, SendTimeout = TimeSpan.FromSeconds(60) }, loggers));

    public static Speaks Of(string name) => name == "mqtt" ? Mqtt : Grpc;

    /// <summary>A row of a client's table.</summary>
    public ProtocolEntry<IClientLink> Entry(string id, int port, ILoggerFactory loggers)
        => new(Name, () => Link(ClientId.Parse(id), port, loggers));

    /// <summary>A TCP port that nobody listens on.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
