namespace ImageServer.Server;

/// <summary>Every log line of the server. The wording of the first two is what operators search for: do not change
/// it.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Starting Connection: {Count}")]
    public static partial void StartingConnection(this ILogger log, int count);

    [LoggerMessage(2, LogLevel.Information, "Active connections: {Count}")]
    public static partial void ActiveConnections(this ILogger log, int count);

    [LoggerMessage(3, LogLevel.Information, "Image server listening on: {Address}")]
    public static partial void Listening(this ILogger log, string address);

    [LoggerMessage(4, LogLevel.Warning, "Turned a client away: there are {Count} already")]
    public static partial void TurnedAway(this ILogger log, int count);

    [LoggerMessage(5, LogLevel.Debug, "Client {Id}: {Command}")]
    public static partial void Received(this ILogger log, int id, string command);

    [LoggerMessage(6, LogLevel.Debug, "Client {Id} left: {Reason}")]
    public static partial void ClientLeft(this ILogger log, int id, string reason);

    [LoggerMessage(7, LogLevel.Error, "Client {Id}: failed")]
    public static partial void SessionFailed(this ILogger log, int id, Exception error);

    [LoggerMessage(8, LogLevel.Information, "Client {Id}: {Title} was answered with an error: {Error}")]
    public static partial void AnsweredWithError(this ILogger log, int id, string title, string error);

    [LoggerMessage(9, LogLevel.Warning, "'{Path}' is not shown: {Reason}")]
    public static partial void FileDropped(this ILogger log, string path, string reason);

    [LoggerMessage(16, LogLevel.Warning, "'{Path}' could not be read: {Reason}")]
    public static partial void FileNotRead(this ILogger log, string path, string reason);

    [LoggerMessage(10, LogLevel.Warning, "'{Folder}' could not be looked through: {Reason}")]
    public static partial void FolderUnreadable(this ILogger log, string folder, string reason);

    [LoggerMessage(11, LogLevel.Information, "{Count} image files")]
    public static partial void FilesFound(this ILogger log, int count);

    [LoggerMessage(12, LogLevel.Debug, "Request {Id} was given up; the workers were told")]
    public static partial void GivenUp(this ILogger log, string id);

    [LoggerMessage(13, LogLevel.Debug, "Request {Id} was given up; the workers could not be told")]
    public static partial void GivenUpUntold(this ILogger log, string id, Exception error);

    [LoggerMessage(14, LogLevel.Warning, "No connection could be accepted")]
    public static partial void AcceptFailed(this ILogger log, Exception error);

    [LoggerMessage(15, LogLevel.Information, "The address at {Host} is not shown: {Reason}")]
    public static partial void AddressNotShown(this ILogger log, string host, string reason);
}
