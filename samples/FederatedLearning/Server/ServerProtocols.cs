using FederatedLearning.Amqp;
using FederatedLearning.Dds;
using FederatedLearning.Grpc;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Quic;

namespace FederatedLearning.Server;

/// <summary>The server's table of protocols: one row each.</summary>
internal static class ServerProtocols
{
    /// <summary>Reads the settings of every protocol, whether it is used or not: a wrong one is told at once.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static IReadOnlyList<ProtocolEntry<IProtocolHandler>> All(
        Func<string, string?> setting, ILoggerFactory loggers, TimeProvider time)
    {
        var amqp = AmqpSettings.From(setting);
        var mqtt = MqttSettings.From(setting);
        var grpc = GrpcSettings.From(setting);
        var quic = QuicSettings.From(setting);
        var dds = DdsSettings.From(setting);
        return
        [
            new(AmqpProtocolHandler.ProtocolName, () => new AmqpProtocolHandler(amqp, loggers, time)),
            new(MqttProtocolHandler.ProtocolName, () => new MqttProtocolHandler(mqtt, loggers, time)),
            new(GrpcProtocolHandler.ProtocolName, () => new GrpcProtocolHandler(grpc, loggers, time)),
            new(QuicProtocolHandler.ProtocolName, () => new QuicProtocolHandler(quic, loggers, time))
            {
                FindMissing = () => QuicProtocolHandler.FindMissing(quic),
            },
            new(DdsProtocolHandler.ProtocolName, () => new DdsProtocolHandler(dds, loggers, time))
            {
                FindMissing = DdsProtocolHandler.FindMissing,
            },
        ];
    }
}

/// <summary>
/// The handlers that run: those of the setting <c>PROTOCOLS</c>, or all that can run on this machine.
/// </summary>
internal sealed class ChosenProtocols : IAsyncDisposable
{
    /// <summary>Makes the handlers.</summary>
    /// <exception cref="InvalidOperationException">A setting is not valid, or a protocol that was asked for cannot run
    /// here.</exception>
    public ChosenProtocols(
        IConfiguration configuration, ILoggerFactory loggers, TimeProvider time, ILogger<ChosenProtocols> log)
    {
        var all = ServerProtocols.All(name => configuration[name], loggers, time);
        Handlers = [.. ProtocolTable.ForServer(all, configuration["PROTOCOLS"], log.SwitchedOff)
            .Select(entry => entry.Create())];
    }

    /// <summary>The handlers, in the order of the table or of the setting.</summary>
    public IReadOnlyList<IProtocolHandler> Handlers { get; }

    /// <summary>AMQP's, whose connections the page shows; null where AMQP is not spoken.</summary>
    public AmqpProtocolHandler? Amqp => Handlers.OfType<AmqpProtocolHandler>().SingleOrDefault();

    public async ValueTask DisposeAsync()
    {
        foreach (var handler in Handlers) await handler.DisposeAsync();
    }
}
