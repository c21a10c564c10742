namespace ImageWorkers.Messaging;

/// <summary>Every log line of the workers.</summary>
internal static partial class WorkerLog
{
    [LoggerMessage(1, LogLevel.Information, "Request {Id} begun")]
    public static partial void Begun(this ILogger log, string id);

    [LoggerMessage(2, LogLevel.Information, "Request {Id} drawn: {Bytes} bytes")]
    public static partial void Drawn(this ILogger log, string id, int bytes);

    [LoggerMessage(3, LogLevel.Information, "Request {Id} stopped: it is no longer waited for")]
    public static partial void Stopped(this ILogger log, string id);

    [LoggerMessage(4, LogLevel.Information, "Request {Id} not begun: it is no longer waited for")]
    public static partial void NotBegun(this ILogger log, string id);
}
