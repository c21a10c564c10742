using Microsoft.Extensions.Logging;

namespace FederatedLearning.Amqp;

/// <summary>
/// Every line of the AMQP side. The wording of the first two is what operators search for: do not change it.
/// </summary>
internal static partial class AmqpLog
{
    [LoggerMessage(1, LogLevel.Information, "[AMQP] Server started with separate send/receive connections")]
    public static partial void ServerStarted(this ILogger log);

    [LoggerMessage(2, LogLevel.Information, "[AMQP] Sent {MessageType} to client {Client} (queue: {Queue})")]
    public static partial void Sent(this ILogger log, string messageType, string client, string queue);

    [LoggerMessage(3, LogLevel.Information, "[AMQP] Broadcast {MessageType} (exchange: {Exchange})")]
    public static partial void Broadcast(this ILogger log, string messageType, string exchange);

    [LoggerMessage(4, LogLevel.Information, "[AMQP] Client {Client} registered, served by {Way}")]
    public static partial void Registered(this ILogger log, string client, string way);

    [LoggerMessage(5, LogLevel.Warning, "[AMQP] A message on queue {Queue} was refused: {Reason}")]
    public static partial void Refused(this ILogger log, string queue, string reason);

    [LoggerMessage(6, LogLevel.Warning, "[AMQP] {MessageType} did not reach {Address}: {Reason}")]
    public static partial void NotSent(this ILogger log, string messageType, string address, string reason);

    [LoggerMessage(7, LogLevel.Warning, "[AMQP] The broker cannot be used yet, trying again: {Reason}")]
    public static partial void NotReady(this ILogger log, string reason);

    [LoggerMessage(10, LogLevel.Information, "[AMQP] Client {Client} connected and registered ({Way})")]
    public static partial void LinkStarted(this ILogger log, string client, string way);
}
