using System.Collections.Concurrent;
using System.Text.Json.Serialization;
using ChildPrograms;
using EventBus;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace SafeAmqp.IntegrationTests.Guide;

/// <summary>A shop's event bus on the library: samples/EventBus.</summary>
public sealed partial class EventBusTests(TestBroker broker) : FeatureTest(broker)
{
    public override ValueTask InitializeAsync()
    {
        Named("eshop_event_bus");
        return base.InitializeAsync();
    }

    [Fact]
    public async Task An_event_reaches_every_handler_of_its_type_and_no_other()
    {
        var seen = new ConcurrentQueue<string>();
        string orders = NewName("ordering"), baskets = NewName("basket");
        using IHost ordering = Service(orders, seen, bus => bus
            .AddSubscription<Started, First>().AddSubscription<Started, Second>());
        using IHost basket = Service(baskets, seen, bus => bus.AddSubscription<Paid, Third>());
        await ordering.StartAsync(Cancelled);
        await basket.StartAsync(Cancelled);
        var bus = ordering.Services.GetRequiredService<IEventBus>();

        IntegrationEvent[] events = [new Started("ann"), new Paid(7), new Unwanted()]; // their types are not named here
        foreach (IntegrationEvent one in events)
            await bus.PublishAsync(one, Cancelled);

        await UntilAsync(() => seen.Count == 3);
        Assert.Equal(["first ann", "second ann", $"third 7 {events[1].Id}"], seen.Order(StringComparer.Ordinal));
        foreach (IHost service in (IHost[])[ordering, basket])
            await service.StopAsync(Cancelled);
    }

    [Fact]
    public async Task An_event_that_cannot_be_read_or_has_no_type_is_in_the_dead_queue()
    {
        string queue = NewName("basket"), dead = Named($"{queue}.dead");
        using IHost service = Service(queue, [], bus => bus.AddSubscription<Started, First>());
        await service.StartAsync(Cancelled);
        var amqp = service.Services.GetRequiredService<IAmqpClient>();
        await amqp.DeclareAsync(
            new AmqpTopology().Bind("eshop_event_bus", $"{queue} of old").ToQueue(queue), Cancelled);

        await amqp.PublishAsync("eshop_event_bus", $"{queue} of old", Bytes("{}"), Cancelled);
        await amqp.PublishAsync("", queue, Bytes("no type either"), Cancelled);

        await UntilAsync(async () => amqp.Status.Links.SelectMany(link => link.Consumers).Sum(one => one.Rejected),
            rejected => rejected == 2, "dead events");
        Assert.Equal(2, (await amqp.Admin.CountAsync(dead, Cancelled)).Messages);
        await service.StopAsync(Cancelled);
    }

    [Fact]
    public async Task The_program_of_the_page_says_what_the_page_says()
    {
        Named("Basket");
        await using ChildProgram program = GuideTests.Start("EventBus",
            new Dictionary<string, string> { ["ConnectionStrings__SafeAmqp"] = Broker.Uri });
        Assert.Equal(GuideTests.Output("EventBus").Single(),
            await program.LineAsync("Emptied", Cancelled).WaitAsync(Limit, Cancelled));
    }

    private IHost Service(string queue, ConcurrentQueue<string> seen, Action<EventSubscriptions> subscribe)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection([new("ConnectionStrings:SafeAmqp", Broker.Uri)]);
        builder.Services.AddSingleton(seen);
        subscribe(builder.Services.AddEventBus(queue, Events.Default));
        return builder.Build();
    }

    internal sealed record Started(string Buyer) : IntegrationEvent;

    internal sealed record Paid(int Order) : IntegrationEvent;

    internal sealed record Unwanted : IntegrationEvent;

    internal sealed class First(ConcurrentQueue<string> seen) : IIntegrationEventHandler<Started>
    {
        public Task HandleAsync(Started integrationEvent, CancellationToken lost)
        {
            seen.Enqueue($"first {integrationEvent.Buyer}");
            return Task.CompletedTask;
        }
    }

    internal sealed class Second(ConcurrentQueue<string> seen) : IIntegrationEventHandler<Started>
    {
        public Task HandleAsync(Started integrationEvent, CancellationToken lost)
        {
            seen.Enqueue($"second {integrationEvent.Buyer}");
            return Task.CompletedTask;
        }
    }

    internal sealed class Third(ConcurrentQueue<string> seen) : IIntegrationEventHandler<Paid>
    {
        public Task HandleAsync(Paid integrationEvent, CancellationToken lost)
        {
            seen.Enqueue($"third {integrationEvent.Order} {integrationEvent.Id}");
            return Task.CompletedTask;
        }
    }

    [JsonSerializable(typeof(Started))]
    [JsonSerializable(typeof(Paid))]
    [JsonSerializable(typeof(Unwanted))]
    private sealed partial class Events : JsonSerializerContext;
}
