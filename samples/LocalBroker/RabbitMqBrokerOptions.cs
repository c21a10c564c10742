namespace LocalBroker;

/// <summary>How <see cref="RabbitMqBroker.FindOrStartAsync"/> looks for a broker.</summary>
public sealed class RabbitMqBrokerOptions
{
    /// <summary>The port looked at on localhost; null looks at none.</summary>
    /// <value>5672, the port registered for AMQP.</value>
    public int? LocalhostPort { get; init; } = 5672;

    /// <summary>How long a broker that somebody else started may take to answer.</summary>
    /// <value>10 seconds: RabbitMQ answers a wrong password only after about 3.</value>
    public TimeSpan ProbeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The private node that is started when no broker is found.</summary>
    /// <value>All defaults.</value>
    public PrivateRabbitMqNodeOptions Node { get; init; } = new();

    /// <summary>The image of the container that is started where no RabbitMQ is installed.</summary>
    /// <value><c>rabbitmq:4.0</c>.</value>
    public string ContainerImage { get; init; } = "rabbitmq:4.0";
}
