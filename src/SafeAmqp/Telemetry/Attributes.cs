namespace SafeAmqp.Telemetry;

/// <summary>
/// The names of attributes: OpenTelemetry's semantic conventions 1.44.0 for messaging and RabbitMQ, then the library's
/// own.
/// </summary>
internal static class Attributes
{
    internal const string System = "messaging.system";
    internal const string OperationName = "messaging.operation.name";
    internal const string OperationType = "messaging.operation.type";
    internal const string Destination = "messaging.destination.name";
    internal const string DestinationTemplate = "messaging.destination.template";
    internal const string Temporary = "messaging.destination.temporary";
    internal const string Anonymous = "messaging.destination.anonymous";
    internal const string RoutingKey = "messaging.rabbitmq.destination.routing_key";
    internal const string DeliveryTag = "messaging.rabbitmq.message.delivery_tag";
    internal const string MessageId = "messaging.message.id";
    internal const string ConversationId = "messaging.message.conversation_id";
    internal const string BodySize = "messaging.message.body.size";
    internal const string BatchCount = "messaging.batch.message_count";
    internal const string ClientId = "messaging.client.id";
    internal const string ServerAddress = "server.address";
    internal const string ServerPort = "server.port";
    internal const string PeerAddress = "network.peer.address";
    internal const string PeerPort = "network.peer.port";
    internal const string ErrorType = "error.type";

    /// <summary>What became of a message.</summary>
    internal const string Outcome = "safeamqp.outcome";

    /// <summary>How a handled delivery was settled: <c>ack</c>, <c>nack</c> or <c>reject</c>.</summary>
    internal const string Settlement = "safeamqp.settlement";

    internal const string Redelivered = "safeamqp.delivery.redelivered";
    internal const string Client = "safeamqp.client.name";
    internal const string Link = "safeamqp.link.name";
    internal const string State = "safeamqp.link.state";

    /// <summary>The value of <see cref="System"/>.</summary>
    internal const string RabbitMq = "rabbitmq";
}
