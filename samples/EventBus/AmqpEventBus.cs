using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using SafeAmqp;

namespace EventBus;

// <bus>
/// <summary>Events of all services go through one exchange, by the names of their types.</summary>
internal sealed class AmqpEventBus(IAmqpClient amqp, IAmqpSerializer serializer) : IEventBus
{
    internal const string Exchange = "eshop_event_bus";

    public ValueTask PublishAsync(IntegrationEvent integrationEvent, CancellationToken cancellationToken = default)
    {
        AmqpMessage message = AmqpMessage.Broadcast(Exchange, integrationEvent.GetType().Name, []) with
        {
            MessageId = integrationEvent.Id.ToString(),
        };
        return amqp.PublishAsync<object>(message, integrationEvent, serializer, cancellationToken);
    }
}

public static class EventBusExtensions
{
    /// <summary>Adds the bus, and the queue of this service with its subscriptions.</summary>
    public static EventSubscriptions AddEventBus(this IServiceCollection services, string queue,
        JsonSerializerContext types)
    {
        var serializer = new AmqpJsonSerializer(types);
        var subscriptions = new EventSubscriptions(services);
        services.AddSingleton<IEventBus>(all => new AmqpEventBus(all.GetRequiredService<IAmqpClient>(), serializer));
        services.AddSafeAmqp()
            .AddTopology(_ => subscriptions.Types.Keys.Aggregate(
                new AmqpTopology().Exchange(AmqpEventBus.Exchange, AmqpExchangeType.Direct).Queue(queue),
                (topology, type) => topology.Bind(AmqpEventBus.Exchange, type).ToQueue(queue)))
            .AddConsumer(queue, serializer,
                delivery => subscriptions.Types.GetValueOrDefault(delivery.Message.RoutingKey), HandleAsync);
        return subscriptions;
    }

    private static async ValueTask<AmqpSettlement> HandleAsync(IServiceProvider services, object integrationEvent,
        AmqpDelivery delivery, CancellationToken lost)
    {
        foreach (var handler in services.GetKeyedServices<IIntegrationEventHandler>(integrationEvent.GetType()))
            await handler.HandleAsync((IntegrationEvent)integrationEvent, lost);
        return AmqpSettlement.Ack;
    }
}

public sealed class EventSubscriptions(IServiceCollection services)
{
    internal Dictionary<string, Type> Types { get; } = [];

    public EventSubscriptions AddSubscription<TEvent,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>()
        where TEvent : IntegrationEvent where THandler : class, IIntegrationEventHandler<TEvent>
    {
        services.AddKeyedTransient<IIntegrationEventHandler, THandler>(typeof(TEvent));
        Types[typeof(TEvent).Name] = typeof(TEvent);
        return this;
    }
}
// </bus>
