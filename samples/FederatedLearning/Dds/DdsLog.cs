using Microsoft.Extensions.Logging;

namespace FederatedLearning.Dds;

/// <summary>Every line of the DDS side.</summary>
internal static partial class DdsLog
{
    [LoggerMessage(1, LogLevel.Information, "[DDS] Server started in domain {Domain}, on {Network}")]
    public static partial void ServerStarted(this ILogger log, int domain, string network);

    [LoggerMessage(2, LogLevel.Information, "[DDS] Sent {MessageType} to client {Client} (partition: {Client})")]
    public static partial void Sent(this ILogger log, string messageType, string client);

    [LoggerMessage(3, LogLevel.Information, "[DDS] Client {Client} registered")]
    public static partial void Registered(this ILogger log, string client);

    [LoggerMessage(4, LogLevel.Warning, "[DDS] A message for client id \"{Client}\" was refused: {Reason}")]
    public static partial void Refused(this ILogger log, string client, string reason);

    [LoggerMessage(5, LogLevel.Information, "[DDS] Client {Client} left: {Reason}")]
    public static partial void Left(this ILogger log, string client, string reason);

    [LoggerMessage(8, LogLevel.Information, "[DDS] Client {Client} found the server in domain {Domain}")]
    public static partial void LinkStarted(this ILogger log, string client, int domain);
}
