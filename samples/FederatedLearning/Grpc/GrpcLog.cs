using Microsoft.Extensions.Logging;

namespace FederatedLearning.Grpc;

/// <summary>Every line of the gRPC side.</summary>
internal static partial class GrpcLog
{
    [LoggerMessage(1, LogLevel.Information, "[gRPC] Server started on {Address}")]
    public static partial void ServerStarted(this ILogger log, string address);

    [LoggerMessage(2, LogLevel.Information, "[gRPC] Sent {MessageType} to client {Client}")]
    public static partial void Sent(this ILogger log, string messageType, string client);

    [LoggerMessage(3, LogLevel.Information, "[gRPC] Client {Client} registered, served by {Way}")]
    public static partial void Registered(this ILogger log, string client, string way);

    [LoggerMessage(4, LogLevel.Warning, "[gRPC] A message of {Peer} was refused: {Reason}")]
    public static partial void Refused(this ILogger log, string peer, string reason);

    [LoggerMessage(5, LogLevel.Warning, "[gRPC] Client {Client} does not read: its stream is ended")]
    public static partial void NeverReads(this ILogger log, string client);
}
