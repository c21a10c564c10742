using SafeAmqp;

namespace EventBus;

/// <summary>What happened in one service, for all others that want to know.</summary>
public abstract record IntegrationEvent
{
    public Guid Id { get; init; } = Guid.NewGuid();

    public DateTimeOffset CreatedAt { get; init; } = DateTimeOffset.UtcNow;
}

public interface IEventBus
{
    /// <summary>Publishes an event as what it is at run time. Ends when the broker has it.</summary>
    /// <param name="integrationEvent">The event. That nothing subscribes to it is no error.</param>
    /// <param name="cancellationToken">Cancels while it has not been sent.</param>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    ValueTask PublishAsync(IntegrationEvent integrationEvent, CancellationToken cancellationToken = default);
}

public interface IIntegrationEventHandler
{
    Task HandleAsync(IntegrationEvent integrationEvent, CancellationToken lost);
}

public interface IIntegrationEventHandler<in TEvent> : IIntegrationEventHandler where TEvent : IntegrationEvent
{
    Task HandleAsync(TEvent integrationEvent, CancellationToken lost);

    Task IIntegrationEventHandler.HandleAsync(IntegrationEvent integrationEvent, CancellationToken lost)
        => HandleAsync((TEvent)integrationEvent, lost);
}
