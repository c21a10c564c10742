namespace SafeAmqp.Testing;

/// <summary>Something that the broker saw, in the order in which it saw it.</summary>
public sealed record AmqpTestEvent
{
    internal AmqpTestEvent()
    {
    }

    /// <summary>Counts all events of this broker from 1, without gaps.</summary>
    public required long Number { get; init; }

    /// <summary>
    /// The method's name in the specification (<c>basic.publish</c>, <c>queue.declare</c>, …); <c>connection.closed</c>
    /// for the end of a connection, however it came; <c>connection.error</c> and <c>channel.error</c> when the broker
    /// closes one over an error; <c>fault</c> for a script that acted.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>The client's name for its connection.</summary>
    public required string Connection { get; init; }

    /// <summary>The channel's number; 0 for the connection itself.</summary>
    public required int Channel { get; init; }

    /// <summary>The exchange, where the method names one.</summary>
    public string? Exchange { get; init; }

    /// <summary>The routing key of a message.</summary>
    public string? RoutingKey { get; init; }

    /// <summary>The queue, where the method names one.</summary>
    public string? Queue { get; init; }

    /// <summary>The queues that a published message was routed to.</summary>
    public IReadOnlyList<string> Queues { get; init; } = [];

    /// <summary>The tag that was acknowledged or rejected.</summary>
    public ulong DeliveryTag { get; init; }

    /// <summary>The code of an error that the broker closes a connection or channel over; 0 otherwise.</summary>
    public int ReplyCode { get; init; }

    /// <summary>The text of an error that the broker closes a connection or channel over.</summary>
    public string? ReplyText { get; init; }

    /// <summary>The message, for <c>basic.publish</c>.</summary>
    public AmqpTestMessage? Message { get; init; }
}
