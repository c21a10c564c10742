namespace SafeAmqp.Testing.Queues;

/// <summary>A published message; immutable and shared by every queue it was routed to.</summary>
internal sealed class Message(string exchange, string routingKey, ContentProperties properties, byte[] body)
{
    public string Exchange => exchange;

    public string RoutingKey => routingKey;

    public ContentProperties Properties => properties;

    public byte[] Body => body;

    /// <summary>
    /// The routing key followed by those of the headers CC and BCC (RabbitMQ's sender-selected distribution).
    /// </summary>
    public IReadOnlyList<string> RoutingKeys { get; init; } = [routingKey];

    /// <summary>Those of the routing keys that may be told: a blind copy's is not.</summary>
    public IReadOnlyList<string> VisibleKeys { get; init; } = [routingKey];

    /// <summary>What the broker itself wrote into x-death; null when the message has not died yet.</summary>
    public List<object?>? Deaths { get; init; }

    /// <summary>How often quorum queues dead-lettered it because a consumer rejected it.</summary>
    public int Rejections { get; init; }

    /// <summary>Octets that a queue counts for it: x-max-length-bytes counts bodies only.</summary>
    public int Size => body.Length;

    /// <summary>Octets that it takes.</summary>
    public int HeldBytes => body.Length + properties.Raw.Length;

    public Message With(ContentProperties changed) =>
        new(exchange, routingKey, changed, body)
        {
            RoutingKeys = RoutingKeys,
            VisibleKeys = VisibleKeys,
            Deaths = Deaths,
            Rejections = Rejections,
        };
}

/// <summary>A message in one queue.</summary>
internal sealed class QueueEntry(Message message, long position)
{
    public Message Message => message;

    /// <summary>Where it stands in the queue; a message goes back there, unless it goes to the end.</summary>
    public long Position { get; set; } = position;

    public bool Redelivered { get; set; }

    /// <summary>How often it was given back to a quorum queue.</summary>
    public int DeliveryCount { get; set; }

    /// <summary>When it expires, in milliseconds of the loop's clock.</summary>
    public long ExpiresAt { get; init; } = long.MaxValue;
}
