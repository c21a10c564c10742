using Microsoft.Extensions.Logging;

namespace FederatedLearning.Mqtt;

/// <summary>Every line of the MQTT side.</summary>
internal static partial class MqttLog
{
    [LoggerMessage(1, LogLevel.Information, "[MQTT] Server started with a broker of its own on {Address}")]
    public static partial void Listening(this ILogger log, string address);

    [LoggerMessage(2, LogLevel.Information, "[MQTT] Server started, connected to the broker {Broker} (MQTT {Version})")]
    public static partial void Connected(this ILogger log, string broker, string version);

    [LoggerMessage(3, LogLevel.Information, "[MQTT] Sent {MessageType} to client {Client} (topic: {Topic})")]
    public static partial void Sent(this ILogger log, string messageType, string client, string topic);

    [LoggerMessage(4, LogLevel.Information, "[MQTT] Broadcast {MessageType} (topic: {Topic})")]
    public static partial void Broadcast(this ILogger log, string messageType, string topic);

    [LoggerMessage(5, LogLevel.Information, "[MQTT] Client {Client} registered")]
    public static partial void Registered(this ILogger log, string client);

    [LoggerMessage(6, LogLevel.Warning, "[MQTT] A message on topic {Topic} was refused: {Reason}")]
    public static partial void Refused(this ILogger log, string topic, string reason);

    [LoggerMessage(7, LogLevel.Warning, "[MQTT] The broker {Broker} cannot be used yet, trying again: {Reason}")]
    public static partial void NotReady(this ILogger log, string broker, string reason);

    [LoggerMessage(10, LogLevel.Warning, "[MQTT] {MessageType} did not get to topic {Topic}: {Reason}")]
    public static partial void NotSent(this ILogger log, string messageType, string topic, string reason);

    [LoggerMessage(11, LogLevel.Warning, "[MQTT] A connection as {Connection} was refused: {Reason}")]
    public static partial void ConnectionRefused(this ILogger log, string connection, string reason);

    [LoggerMessage(12, LogLevel.Warning, "[MQTT] {Connection} may not subscribe to {Topic}")]
    public static partial void SubscriptionRefused(this ILogger log, string connection, string topic);

    [LoggerMessage(13, LogLevel.Warning, "[MQTT] {Connection} does not read: dropped with {Bytes} bytes in "
        + "{Messages} messages waiting")]
    public static partial void NeverReads(this ILogger log, string connection, long bytes, long messages);
}
