namespace FederatedLearning.Server;

/// <summary>The server's own lines; the progress of the rounds is told by the core.</summary>
internal static partial class ServerLog
{
    [LoggerMessage(1, LogLevel.Information, "Waiting for {Count} clients")]
    public static partial void Waiting(this ILogger log, int count);

    [LoggerMessage(2, LogLevel.Information, "Results written to {Folder}")]
    public static partial void ResultsWritten(this ILogger log, string folder);

    [LoggerMessage(3, LogLevel.Warning, "{Why}")]
    public static partial void SwitchedOff(this ILogger log, string why);
}
