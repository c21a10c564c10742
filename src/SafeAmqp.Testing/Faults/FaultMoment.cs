namespace SafeAmqp.Testing;

/// <summary>What a trigger's own condition can look at (<see cref="FaultTrigger.Where"/>).</summary>
public sealed class FaultMoment
{
    internal FaultMoment()
    {
    }

    /// <summary>The client's name for its connection (<c>connection_name</c>); empty before it has said it.</summary>
    public required string Connection { get; init; }

    /// <summary>The channel's number; 0 for the connection itself.</summary>
    public required int Channel { get; init; }

    /// <summary>The exchange that is published to, declared, bound or deleted; null where there is none.</summary>
    public string? Exchange { get; init; }

    /// <summary>The routing key of a message.</summary>
    public string? RoutingKey { get; init; }

    /// <summary>The queue that the method names, or that the delivery or its settlement is of; null where there is
    /// none.</summary>
    public string? Queue { get; init; }

    /// <summary>The message's property <c>message-id</c>.</summary>
    public string? MessageId { get; init; }

    /// <summary>The message's property <c>correlation-id</c>.</summary>
    public string? CorrelationId { get; init; }

    /// <summary>The size of the message's body in octets; 0 before it has arrived.</summary>
    public int BodyLength { get; init; }
}
