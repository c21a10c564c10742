namespace SafeAmqp.Testing;

/// <summary>The RabbitMQ that an embedded broker behaves as, where its versions differ.</summary>
public enum RabbitMqVersion
{
    /// <summary>RabbitMQ 3.10, as compared with 3.10.8.</summary>
    RabbitMq310,

    /// <summary>RabbitMQ 4.0, as compared with 4.0.5.</summary>
    RabbitMq40,
}
