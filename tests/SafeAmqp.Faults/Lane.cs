namespace SafeAmqp.Faults;

/// <summary>What may be expected of one publisher's messages: each publisher sends to one queue.</summary>
public sealed record Lane
{
    /// <summary>
    /// Whether the client publishes again what a lost link left unanswered: a message may then arrive twice as new.
    /// </summary>
    public bool MayRepeat { get; init; }

    /// <summary>
    /// Whether the queue has one consumer that handles one at a time and gives nothing back, so that order can be seen.
    /// </summary>
    public bool Ordered { get; init; } = true;

    /// <summary>
    /// Whether the run deletes the queue with what is in it: what was confirmed may then be lost, and nothing else.
    /// </summary>
    public bool MayLose { get; init; }

    /// <summary>
    /// Whether the queue's process or node is killed while publishes are under way. RabbitMQ then nacks what the queue
    /// had not answered, though it may be on the queue's disk already: AMQP 0-9-1 says of a nack that the broker was
    /// unable to handle the message, not that it has no trace.
    /// </summary>
    public bool NackedMayArrive { get; init; }

    /// <summary>
    /// Whether the broker may show a message twice as new. A quorum queue counts deliveries when a message comes back
    /// to it; a consumer that moved with its leader can be sent the same one again before that.
    /// </summary>
    public bool NewMayRepeat { get; init; }
}
