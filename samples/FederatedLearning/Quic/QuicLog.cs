using Microsoft.Extensions.Logging;

namespace FederatedLearning.Quic;

/// <summary>
/// Every line of the QUIC side. The wording of the first is what operators search for: do not change it.
/// </summary>
internal static partial class QuicLog
{
    [LoggerMessage(1, LogLevel.Information,
        "[QUIC] QUIC persistent connection established: client {Client}, {Peer}, {Transport}")]
    public static partial void Established(this ILogger log, string client, string peer, string transport);

    [LoggerMessage(2, LogLevel.Information, "[QUIC] Server listens on UDP {Address}, by {Transport}")]
    public static partial void ServerStarted(this ILogger log, string address, string transport);

    [LoggerMessage(3, LogLevel.Information, "[QUIC] Sent {MessageType} to client {Client} ({Peer})")]
    public static partial void Sent(this ILogger log, string messageType, string client, string peer);

    [LoggerMessage(4, LogLevel.Information, "[QUIC] Client {Client} registered ({Peer})")]
    public static partial void Registered(this ILogger log, string client, string peer);

    [LoggerMessage(5, LogLevel.Warning, "[QUIC] A message from {Peer} was refused: {Reason}")]
    public static partial void Refused(this ILogger log, string peer, string reason);

    [LoggerMessage(6, LogLevel.Information, "[QUIC] Connection of client {Client} ended ({Peer}): {Reason}")]
    public static partial void Ended(this ILogger log, string client, string peer, string reason);

    [LoggerMessage(10, LogLevel.Error, "[QUIC] The connection from {Peer} ends by a bug")]
    public static partial void NotServed(this ILogger log, Exception error, string peer);
}
