using FederatedLearning.Amqp;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
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
        return
        [
            new(AmqpProtocolHandler.ProtocolName, () => new AmqpClientLink(client, way, amqp, loggers)),
        ];
    }
}
