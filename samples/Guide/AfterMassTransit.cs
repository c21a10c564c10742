using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using SafeAmqp;

namespace Guide;

// <consumer>
/// <summary>Packs orders, with SafeAmqp.</summary>
public sealed class OrderPacker(Action<string> say) : IAmqpConsumer<OrderSubmitted>
{
    public ValueTask<AmqpSettlement> HandleAsync(OrderSubmitted order, AmqpDelivery delivery, CancellationToken lost)
    {
        say($"Packing {order.Count} of {order.Item}");
        return new(AmqpSettlement.Ack);
    }
}
// </consumer>

/// <summary>The same publisher and consumer, with SafeAmqp.</summary>
public static class AfterMassTransit
{
    /// <summary>Publishes an order, and stops when it was packed.</summary>
    public static async Task RunAsync(Uri uri, Action<string> say, Task packed)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton(say);
        // <registration>
        builder.Services.AddSafeAmqp(options => options.Uri = uri.OriginalString)
            .AddTopology(new AmqpTopology()
                .Exchange("orders-submitted", AmqpExchangeType.Fanout)
                .Queue("orders-to-pack")
                .Bind("orders-submitted").ToQueue("orders-to-pack"))
            .AddConsumer<OrderSubmitted, OrderPacker>("orders-to-pack");
        // </registration>
        using IHost host = builder.Build();
        await host.StartAsync();
        // <publish>
        IAmqpClient amqp = host.Services.GetRequiredService<IAmqpClient>();
        await amqp.PublishJsonAsync("orders-submitted", "", new OrderSubmitted("tea", 2));
        // </publish>
        await packed;
        await host.StopAsync();
    }
}
