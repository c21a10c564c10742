using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry;

/// <summary>Every log line of the library, with ids by room: 100 links, 200 topology, 300 consuming, 400 calls. None carries a secret.</summary>
internal static partial class Log
{
    internal const string Category = "SafeAmqp";

    [LoggerMessage(100, LogLevel.Debug, "I/O thread {Thread} started")]
    internal static partial void ThreadStarted(ILogger logger, string thread);

    [LoggerMessage(101, LogLevel.Critical, "The I/O thread of the {Link} link ended by a bug in SafeAmqp; everything that waits on it was ended")]
    internal static partial void ThreadCrashed(ILogger logger, string link, Exception error);

    [LoggerMessage(102, LogLevel.Information, "The {Link} link went from {From} to {To}, epoch {Epoch}: {Detail}")]
    internal static partial void StateChanged(ILogger logger, string link, AmqpLinkState from, AmqpLinkState to, int epoch, string detail);

    [LoggerMessage(103, LogLevel.Warning, "The {Link} link was lost while {From}, epoch {Epoch}: {Detail}")]
    internal static partial void LinkLost(ILogger logger, string link, AmqpLinkState from, int epoch, string detail);

    [LoggerMessage(104, LogLevel.Warning, "The broker blocks publishing on the {Link} link: {Reason}")]
    internal static partial void Blocked(ILogger logger, string link, string reason);

    [LoggerMessage(105, LogLevel.Information, "The broker unblocked publishing on the {Link} link after {Seconds:0.0} s")]
    internal static partial void Unblocked(ILogger logger, string link, double seconds);

    [LoggerMessage(106, LogLevel.Warning, "On the {Link} link {What}")]
    internal static partial void Unobserved(ILogger logger, string link, string what, Exception error);

    [LoggerMessage(200, LogLevel.Error, "The {Link} link could not declare {Entity} again: {Reason}")]
    internal static partial void TopologyRefused(ILogger logger, string link, string entity, string reason);

    [LoggerMessage(300, LogLevel.Information, "The {Link} link consumes queue '{Queue}'")]
    internal static partial void ConsumerLive(ILogger logger, string link, string queue);

    [LoggerMessage(301, LogLevel.Warning, "The {Link} link lost its consumer of queue '{Queue}' and tries again: {Reason}")]
    internal static partial void ConsumerLost(ILogger logger, string link, string queue, string reason);

    [LoggerMessage(302, LogLevel.Error, "The handler of queue '{Queue}' failed on delivery {Tag} (message id {MessageId}); next: {Policy}")]
    internal static partial void HandlerFailed(ILogger logger, string queue, ulong tag, string? messageId, string policy, Exception error);

    [LoggerMessage(303, LogLevel.Warning, "A delivery of queue '{Queue}' could not be moved to its retry queue and was requeued")]
    internal static partial void RetryFailed(ILogger logger, string queue, Exception error);

    [LoggerMessage(400, LogLevel.Information, "The {Link} link receives replies on queue '{Queue}'")]
    internal static partial void ReplyQueueCreated(ILogger logger, string link, string queue);

    [LoggerMessage(401, LogLevel.Warning, "A request on queue '{Queue}' has no reply address and was settled unanswered")]
    internal static partial void RequestWithoutReplyTo(ILogger logger, string queue);

    [LoggerMessage(402, LogLevel.Information, "A request on queue '{Queue}' came {Late:0.000} s after its deadline and was dropped")]
    internal static partial void RequestTooLate(ILogger logger, string queue, double late);

    [LoggerMessage(403, LogLevel.Warning, "The handler of requests on queue '{Queue}' failed; its caller was told")]
    internal static partial void RequestFailed(ILogger logger, string queue, Exception error);

    [LoggerMessage(404, LogLevel.Warning, "The reply to a request on queue '{Queue}' was not delivered")]
    internal static partial void ReplyNotDelivered(ILogger logger, string queue, Exception error);

    [LoggerMessage(405, LogLevel.Warning, "The correlation selector of reply queue '{Queue}' failed; the message counts as unmatched")]
    internal static partial void CorrelateFailed(ILogger logger, string queue, Exception error);
}
