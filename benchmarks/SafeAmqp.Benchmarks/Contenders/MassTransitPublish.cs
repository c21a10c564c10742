using MassTransit;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>What MassTransit publishes: its serializer wraps the body in an envelope, as its users have it.</summary>
public sealed record BenchmarkMessage(byte[] Payload);

/// <summary>What MassTransit answers a request with.</summary>
public sealed record BenchmarkReply(byte[] Payload);

/// <summary>MassTransit's Publish, which waits for the broker's confirm.</summary>
internal sealed class MassTransitPublish : Contender
{
    internal static readonly string Title = $"MassTransit {VersionOf(typeof(IBus))}, Publish";

    private IBusControl? _bus;
    private BenchmarkMessage _message = new([]);
    private bool _durable;

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _message = new BenchmarkMessage(workload.Body);
        _durable = workload.Routed;
        _bus = Bus(broker, bus =>
        {
            if (workload.Routed) // else it declares an exchange of its own, without bindings like everybody's
                bus.Message<BenchmarkMessage>(message => message.SetEntityName(workload.Exchange));
        });
        await _bus.StartAsync();
    }

    internal static IBusControl Bus(Uri broker, Action<IRabbitMqBusFactoryConfigurator>? configure = null)
    {
        string[] account = broker.UserInfo.Split(':');
        return MassTransit.Bus.Factory.CreateUsingRabbitMq(bus =>
        {
            configure?.Invoke(bus);
            bus.Host(broker.Host, (ushort)broker.Port,
                Uri.UnescapeDataString(broker.AbsolutePath[1..]) is { Length: > 0 } host ? host : "/", settings =>
            {
                settings.Username(account[0]);
                settings.Password(account[1]);
            });
        });
    }

    protected override ValueTask OperateAsync(int caller)
        => new(_bus!.Publish(_message, context => context.Durable = _durable));

    public override async ValueTask DisposeAsync()
    {
        if (_bus is not null)
            await _bus.StopAsync();
    }
}
