using FederatedLearning.Amqp;
using FederatedLearning.Dds;
using FederatedLearning.Grpc;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Quic;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Client;

/// <summary>The client's table of protocols: one row each.</summary>
internal static class ClientProtocols
{
    /// <summary>Reads the settings of every protocol, whether it is used or not: a wrong one is told at once.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static IReadOnlyList<ProtocolEntry<IClientLink>> All(
        ClientId client, Func<string, string?> setting, ILoggerFactory loggers)
    {
        var amqp = AmqpSettings.From(setting);
        var way = AmqpSettings.WayOf(setting);
        var mqtt = MqttSettings.From(setting);
        var grpc = GrpcSettings.From(setting);
        var quic = QuicSettings.From(setting);
        var dds = DdsSettings.From(setting);
        return
        [
            new(AmqpProtocolHandler.ProtocolName, () => new AmqpClientLink(client, way, amqp, loggers)),
            new(MqttProtocolHandler.ProtocolName, () => new MqttClientLink(client, mqtt, loggers)),
            new(GrpcProtocolHandler.ProtocolName, () => new GrpcClientLink(client, grpc, loggers)),
            new(QuicProtocolHandler.ProtocolName, () => new QuicClientLink(client, quic, loggers))
            {
                FindMissing = () => QuicProtocolHandler.FindMissing(quic),
            },
            new(DdsProtocolHandler.ProtocolName, () => new DdsClientLink(client, dds, loggers))
            {
                FindMissing = DdsProtocolHandler.FindMissing,
            },
        ];
    }
}
