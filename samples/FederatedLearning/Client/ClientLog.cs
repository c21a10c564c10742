using Microsoft.Extensions.Logging;

namespace FederatedLearning.Client;

/// <summary>
/// Every line of the client. The wording of the first two is what operators search for: do not change it.
/// </summary>
internal static partial class ClientLog
{
    [LoggerMessage(1, LogLevel.Information, "Client received global model for round {Round}")]
    public static partial void ReceivedModel(this ILogger log, int round);

    [LoggerMessage(2, LogLevel.Information, "Client starting evaluation for round {Round}")]
    public static partial void Evaluating(this ILogger log, int round);

    [LoggerMessage(3, LogLevel.Information, "Client starting training for round {Round}")]
    public static partial void Training(this ILogger log, int round);

    [LoggerMessage(4, LogLevel.Information, "Client sent its update for round {Round}: training loss "
        + "{Loss:0.0000}, accuracy {Accuracy:0.0000}")]
    public static partial void Trained(this ILogger log, int round, double loss, double accuracy);

    [LoggerMessage(5, LogLevel.Information, "Client sent its metrics for round {Round}: loss {Loss:0.0000}, "
        + "accuracy {Accuracy:0.0000}")]
    public static partial void Evaluated(this ILogger log, int round, double loss, double accuracy);

    [LoggerMessage(6, LogLevel.Warning, "The server refused what this client sent: {Reason}")]
    public static partial void ToldOfError(this ILogger log, string reason);

    [LoggerMessage(7, LogLevel.Information, "Client {Client}: training_complete ({Reason})")]
    public static partial void Complete(this ILogger log, string client, string reason);

    [LoggerMessage(8, LogLevel.Error, "Client {Client} may not take part: {Reason}")]
    public static partial void Rejected(this ILogger log, string client, string reason);

    [LoggerMessage(
        10, LogLevel.Information, "Client {Client} has {Training} samples to train on and {Evaluation} to evaluate on")]
    public static partial void Data(this ILogger log, string client, int training, int evaluation);

    [LoggerMessage(11, LogLevel.Error, "The client cannot take part: {Reason}")]
    public static partial void Failed(this ILogger log, string reason);

    [LoggerMessage(12, LogLevel.Warning, "{Why}")]
    public static partial void SwitchedOff(this ILogger log, string why);
}
