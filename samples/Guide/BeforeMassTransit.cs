using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Guide;

// <message>
/// <summary>An order was submitted.</summary>
public sealed record OrderSubmitted(string Item, int Count);
// </message>

// <consumer>
/// <summary>Packs orders, with MassTransit.</summary>
public sealed class OrderConsumer(Action<string> say) : IConsumer<OrderSubmitted>
{
    public Task Consume(ConsumeContext<OrderSubmitted> context)
    {
        say($"Packing {context.Message.Count} of {context.Message.Item}");
        return Task.CompletedTask;
    }
}
// </consumer>

/// <summary>A publisher and a consumer, with MassTransit.</summary>
public static class BeforeMassTransit
{
    /// <summary>Publishes an order, and stops when it was packed.</summary>
    public static async Task RunAsync(Uri uri, Action<string> say, Task packed)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton(say);
        // <registration>
        builder.Services.AddMassTransit(bus =>
        {
            bus.AddConsumer<OrderConsumer>();
            bus.UsingRabbitMq((context, rabbit) =>
            {
                rabbit.Host(uri);
                rabbit.ConfigureEndpoints(context);
            });
        });
        // </registration>
        // Else the order is published, and lost, when the consumer's queue is not yet bound.
        builder.Services.Configure<MassTransitHostOptions>(options => options.WaitUntilStarted = true);
        using IHost host = builder.Build();
        await host.StartAsync();
        // <publish>
        IBus bus = host.Services.GetRequiredService<IBus>();
        await bus.Publish(new OrderSubmitted("tea", 2));
        // </publish>
        await packed;
        await host.StopAsync();
    }
}
