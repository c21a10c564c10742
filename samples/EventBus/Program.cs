// <use>
using System.Text.Json.Serialization;
using EventBus;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);
builder.Services.AddEventBus("Basket", ShopEvents.Default)
    .AddSubscription<OrderStarted, EmptyBasket>();
using IHost host = builder.Build();
await host.StartAsync();

await host.Services.GetRequiredService<IEventBus>().PublishAsync(new OrderStarted("ann"));
await host.WaitForShutdownAsync();

internal sealed record OrderStarted(string Buyer) : IntegrationEvent;

internal sealed class EmptyBasket : IIntegrationEventHandler<OrderStarted>
{
    public Task HandleAsync(OrderStarted order, CancellationToken lost)
        => Console.Out.WriteLineAsync($"Emptied the basket of {order.Buyer}");
}

[JsonSerializable(typeof(OrderStarted))]
internal sealed partial class ShopEvents : JsonSerializerContext;
// </use>
