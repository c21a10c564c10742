using FederatedLearning.Dds;
using FederatedLearning.Grpc;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Quic;
using LocalBroker;
using Microsoft.Extensions.Logging;
using QuicTransports;

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

    public static readonly Speaks Quic = new(
        QuicProtocolHandler.ProtocolName,
        (port, loggers) => new QuicProtocolHandler(QuicAt(port), loggers),
        (client, port, loggers) => new QuicClientLink(client, QuicAt(port), loggers));

    public static readonly Speaks Dds = new(
        DdsProtocolHandler.ProtocolName,
        (port, loggers) => new DdsProtocolHandler(DdsAt(port), loggers),
        (client, port, loggers) => new DdsClientLink(client, DdsAt(port), loggers));

    public static Speaks Of(string name)
        => new[] { Mqtt, Grpc, Quic, Dds }.Single(one => one.Name == name);

    /// <summary>A row of a client's table.</summary>
    public ProtocolEntry<IClientLink> Entry(string id, int port, ILoggerFactory loggers)
        => new(Name, () => Link(ClientId.Parse(id), port, loggers));

    /// <summary>A port that nothing listens on.</summary>
    public static int FreePort() => FreePorts.Take(1)[0];

    /// <summary>
    /// QUIC and DDS need libraries of the system; without them the test is skipped locally and fails where CI=true.
    /// </summary>
    public static void NeedAll()
    {
        string?[] missing = [QuicProtocolHandler.FindMissing(QuicAt(0)), DdsProtocolHandler.FindMissing()];
        foreach (string? line in missing) Repository.Need(line is null, line ?? "");
    }

    private static QuicOptions QuicAt(int port)
        => QuicSettings.From(_ => null) with { Host = "127.0.0.1", Port = port };

    // DDS has no port of its own: the domain stands for it, one that no other suite has (see DdsTests).
    private static DdsSettings DdsAt(int port) => new() { Domain = 110 + port % 90 };
}
