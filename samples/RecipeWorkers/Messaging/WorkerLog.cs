namespace RecipeWorkers.Messaging;

/// <summary>Every log line of the workers' messaging.</summary>
internal static partial class WorkerLog
{
    [LoggerMessage(
        1, LogLevel.Warning, "Rejected a message from {Queue}: {Bytes} bytes that are no request ({Reason})")]
    public static partial void Unparsable(this ILogger log, string queue, int bytes, string reason);

    [LoggerMessage(2, LogLevel.Warning, "A request from {Queue} names no reply_to: its answer is dropped")]
    public static partial void NoReplyAddress(this ILogger log, string queue);

    [LoggerMessage(3, LogLevel.Debug, "Answered correlation_id={Id}")]
    public static partial void Answered(this ILogger log, string? id);

    [LoggerMessage(4, LogLevel.Information, "The answer to correlation_id={Id} is no longer waited for")]
    public static partial void NoLongerAwaited(this ILogger log, string? id);

    [LoggerMessage(5, LogLevel.Warning, "The answer to correlation_id={Id} did not get out")]
    public static partial void AnswerNotSent(this ILogger log, string? id, Exception error);

    [LoggerMessage(6, LogLevel.Warning, "An update of a crawling job did not get out")]
    public static partial void UpdateNotSent(this ILogger log, Exception error);
}
