using SafeAmqp;

var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddSafeAmqp()
    .AddTopology(new AmqpTopology().Queue("orders"))
    .AddConsumer<Order, OrderHandler>("orders", new AmqpConsumerOptions { Concurrency = 4 });
builder.Build().Run();

public sealed record Order(string Item, int Count);

public sealed class OrderHandler : IAmqpConsumer<Order>
{
    public async ValueTask<AmqpSettlement> HandleAsync(Order order, AmqpDelivery delivery, CancellationToken lost)
    {
        await Console.Out.WriteLineAsync($"Packing {order.Count} of {order.Item}");
        return AmqpSettlement.Ack;
    }
}
