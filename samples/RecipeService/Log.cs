namespace RecipeService;

/// <summary>
/// Every log line of the service. The wording of the first five is what operators search for: do not change it.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "RabbitMQ-IO-Thread started")]
    public static partial void IoThreadStarted(this ILogger log);

    [LoggerMessage(2, LogLevel.Information, "AI callback queue created: {Queue}")]
    public static partial void AiCallbackQueueCreated(this ILogger log, string queue);

    [LoggerMessage(3, LogLevel.Information, "AI request published: {Id}")]
    public static partial void AiRequestPublished(this ILogger log, string id);

    [LoggerMessage(4, LogLevel.Information, "AI response received: correlation_id={Id}")]
    public static partial void AiResponseReceived(this ILogger log, string id);

    [LoggerMessage(5, LogLevel.Information, "Crawling request published: {Action} job_id={JobId}")]
    public static partial void CrawlingRequestPublished(this ILogger log, string action, string jobId);

    [LoggerMessage(6, LogLevel.Information, "Crawling response received: job_id={JobId} status={Status}")]
    public static partial void CrawlingResponseReceived(this ILogger log, string jobId, string status);

    [LoggerMessage(7, LogLevel.Warning, "Crawling response rejected: {Bytes} bytes that are no answer")]
    public static partial void CrawlingResponseRejected(this ILogger log, int bytes);

    [LoggerMessage(8, LogLevel.Warning, "{Method} {Path} failed with {Status}: {Reason}")]
    public static partial void RequestFailed(this ILogger log, string method, string? path, int status, string reason);
}
