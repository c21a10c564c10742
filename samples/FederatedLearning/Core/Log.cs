using FederatedLearning.Messages;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging;

namespace FederatedLearning;

/// <summary>Every log line of the core.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Client {Client} registered, {Count} clients now")]
    public static partial void ClientRegistered(this ILogger log, ClientId client, int count);

    [LoggerMessage(2, LogLevel.Warning, "Client {Client} rejected: {Reason}")]
    public static partial void ClientRejected(this ILogger log, ClientId client, string reason);

    [LoggerMessage(3, LogLevel.Information, "Client {Client} left: {Reason}")]
    public static partial void ClientLeft(this ILogger log, ClientId client, string reason);

    [LoggerMessage(4, LogLevel.Warning, "Client {Client} was silent at the deadline of round {Round}: no "
        + "longer waited for until it is heard of")]
    public static partial void ClientSilent(this ILogger log, ClientId client, int round);

    [LoggerMessage(5, LogLevel.Debug, "Update of client {Client} for round {Round}: {Samples} samples")]
    public static partial void UpdateReceived(this ILogger log, ClientId client, int round, int samples);

    [LoggerMessage(
        6, LogLevel.Debug, "Metrics of client {Client} for round {Round}: loss {Loss:F4}, accuracy {Accuracy:F4}")]
    public static partial void MetricsReceived(
        this ILogger log, ClientId client, int round, double loss, double accuracy);

    [LoggerMessage(7, LogLevel.Warning, "Message of {Client} refused: {Reason}")]
    public static partial void MessageRefused(this ILogger log, string client, string reason);

    [LoggerMessage(10, LogLevel.Information, "Training starts with {Count} clients")]
    public static partial void TrainingStarts(this ILogger log, int count);

    [LoggerMessage(11, LogLevel.Information, "Round {Round} starts, {Awaited} clients train")]
    public static partial void RoundStarts(this ILogger log, int round, int awaited);

    [LoggerMessage(12, LogLevel.Information, "Round {Round} aggregated: {Updates} updates of {Samples} samples")]
    public static partial void RoundAggregated(this ILogger log, int round, int updates, long samples);

    [LoggerMessage(13, LogLevel.Information, "Round {Round} complete: loss {Loss:F4}, accuracy {Accuracy:F4}")]
    public static partial void RoundComplete(this ILogger log, int round, double? loss, double? accuracy);

    [LoggerMessage(14, LogLevel.Warning, "Round {Round} goes on at its deadline with {Answered} updates, "
        + "without {Missed} clients")]
    public static partial void RoundDeadline(this ILogger log, int round, int answered, int missed);

    [LoggerMessage(15, LogLevel.Warning, "Round {Round} had no update at its deadline ({Deadlines} in a row): all "
        + "are asked again")]
    public static partial void RoundAskedAgain(this ILogger log, int round, int deadlines);

    [LoggerMessage(
        16, LogLevel.Error, "Training abandoned in round {Round}: no update at {Deadlines} deadlines in a row")]
    public static partial void TrainingAbandoned(this ILogger log, int round, int deadlines);

    [LoggerMessage(17, LogLevel.Information, "Training complete after {Rounds} rounds: {Reason}")]
    public static partial void TrainingComplete(this ILogger log, int rounds, CompletionReason reason);

    [LoggerMessage(18, LogLevel.Debug, "Phase {Old} -> {New}")]
    public static partial void PhaseChanged(this ILogger log, FederationPhase old, FederationPhase @new);

    [LoggerMessage(20, LogLevel.Information, "Handler {Handler} started")]
    public static partial void HandlerStarted(this ILogger log, string handler);

    [LoggerMessage(21, LogLevel.Information, "Handler {Handler} stopped")]
    public static partial void HandlerStopped(this ILogger log, string handler);

    [LoggerMessage(22, LogLevel.Error, "Handler {Handler} failed: its clients have left, others go on")]
    public static partial void HandlerFailed(this ILogger log, Exception error, string handler);

    [LoggerMessage(23, LogLevel.Warning, "Handler {Handler} did not stop cleanly")]
    public static partial void HandlerStopFailed(this ILogger log, Exception error, string handler);

    [LoggerMessage(24, LogLevel.Critical, "The core's loop ended by a bug")]
    public static partial void LoopFailed(this ILogger log, Exception error);

    [LoggerMessage(25, LogLevel.Error, "[{Protocol}] The server cannot go on")]
    public static partial void ProtocolFailed(this ILogger log, Exception error, string protocol);

    [LoggerMessage(26, LogLevel.Information, "[{Protocol}] Server stopped")]
    public static partial void ProtocolStopped(this ILogger log, string protocol);

    [LoggerMessage(27, LogLevel.Warning, "[{Protocol}] Client {Client} is not known; {MessageType} for it is dropped")]
    public static partial void ProtocolDropped(this ILogger log, string protocol, string messageType, ClientId client);

    [LoggerMessage(
        28, LogLevel.Warning, "[{Protocol}] Client {Client} cannot read a message from the server: {Reason}")]
    public static partial void ProtocolUnreadable(this ILogger log, string protocol, ClientId client, string reason);

    [LoggerMessage(30, LogLevel.Information, "Client {Client} connected over {Protocol}")]
    public static partial void Connected(this ILogger log, string client, string protocol);

    [LoggerMessage(31, LogLevel.Warning, "Client {Client} cannot connect over {Protocol}, trying again: {Reason}")]
    public static partial void NotConnected(this ILogger log, string client, string protocol, string reason);

    [LoggerMessage(32, LogLevel.Warning, "Client {Client} has lost its connection over {Protocol}, connecting again")]
    public static partial void Lost(this ILogger log, string client, string protocol);

    [LoggerMessage(33, LogLevel.Warning, "The connection of client {Client} over {Protocol} ended: {Reason}")]
    public static partial void Ended(this ILogger log, string client, string protocol, string reason);

    [LoggerMessage(34, LogLevel.Warning, "{Kind} was not sent over {Protocol}: {Reason}")]
    public static partial void NotSent(this ILogger log, string kind, string protocol, string reason);

    [LoggerMessage(
        35, LogLevel.Information, "Client {Client} has heard nothing for long over {Protocol} and registers again")]
    public static partial void Silent(this ILogger log, string client, string protocol);
}
