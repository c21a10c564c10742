using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry;

/// <summary>Every log line of the library, with ids by room: 100 links, 200 topology, 300 consuming, 400 calls. An id keeps its meaning for ever.
/// None carries a secret. What repeats is thinned: <see cref="Thinner"/>.</summary>
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

    [LoggerMessage(107, LogLevel.Warning, "The {Link} link could not be made while {From}, epoch {Epoch}: {Detail} (failure {Failures} in a row; {Untold} since the last line were not told)")]
    internal static partial void AttemptFailed(ILogger logger, string link, AmqpLinkState from, int epoch, string detail, int failures, int untold);

    [LoggerMessage(108, LogLevel.Debug, "The {Link} link could not be made while {From} for the same reason again, epoch {Epoch}: {Detail}")]
    internal static partial void FailedAgain(ILogger logger, string link, AmqpLinkState from, int epoch, string detail);

    [LoggerMessage(109, LogLevel.Debug, "The {Link} link tries again, epoch {Epoch}: {Detail}")]
    internal static partial void TryingAgain(ILogger logger, string link, int epoch, string detail);

    [LoggerMessage(110, LogLevel.Warning, "The thread pool is starved: a work item waits for {Seconds:0.0} s ({Threads} threads, {Pending} items waiting). Connections live on the pool and may be lost; something in this process blocks its threads")]
    internal static partial void PoolStarved(ILogger logger, double seconds, int threads, long pending);

    [LoggerMessage(111, LogLevel.Information, "The thread pool works again; the work item had waited for {Seconds:0.0} s")]
    internal static partial void PoolRelieved(ILogger logger, double seconds);

    [LoggerMessage(112, LogLevel.Information, "The {Link} link gave the broker a new secret before the old one expires")]
    internal static partial void SecretRenewed(ILogger logger, string link);

    [LoggerMessage(113, LogLevel.Warning, "The {Link} link could not give the broker a new secret, and tries again: {Reason}")]
    internal static partial void SecretNotRenewed(ILogger logger, string link, string reason);

    [LoggerMessage(200, LogLevel.Error, "The {Link} link could not declare {Entity} again: {Reason} ({Untold} like it before were not told)")]
    internal static partial void TopologyRefused(ILogger logger, string link, string entity, string reason, long untold);

    [LoggerMessage(300, LogLevel.Information, "The {Link} link consumes queue '{Queue}'")]
    internal static partial void ConsumerLive(ILogger logger, string link, string queue);

    [LoggerMessage(301, LogLevel.Warning, "The {Link} link lost its consumer of queue '{Queue}' and tries again: {Reason} ({Untold} like it before were not told)")]
    internal static partial void ConsumerLost(ILogger logger, string link, string queue, string reason, long untold);

    [LoggerMessage(302, LogLevel.Error, "The handler of queue '{Queue}' failed on delivery {Tag} (message id {MessageId}); next: {Policy} ({Untold} like it before were not told)")]
    internal static partial void HandlerFailed(ILogger logger, string queue, ulong tag, string? messageId, string policy, long untold, Exception error);

    [LoggerMessage(303, LogLevel.Warning, "A delivery of queue '{Queue}' could not be moved to its retry queue and was requeued ({Untold} like it before were not told)")]
    internal static partial void RetryFailed(ILogger logger, string queue, long untold, Exception error);

    [LoggerMessage(304, LogLevel.Error, "The {Link} link stopped its consumer of queue '{Queue}' for good: one of its messages ended the link twice: {Reason}")]
    internal static partial void ConsumerPoisoned(ILogger logger, string link, string queue, string reason);

    [LoggerMessage(400, LogLevel.Information, "The {Link} link receives replies on queue '{Queue}'")]
    internal static partial void ReplyQueueCreated(ILogger logger, string link, string queue);

    [LoggerMessage(401, LogLevel.Warning, "A request on queue '{Queue}' has no reply address and was settled unanswered ({Untold} like it before were not told)")]
    internal static partial void RequestWithoutReplyTo(ILogger logger, string queue, long untold);

    [LoggerMessage(402, LogLevel.Information, "A request on queue '{Queue}' came {Late:0.000} s after its deadline and was dropped ({Untold} like it before were not told)")]
    internal static partial void RequestTooLate(ILogger logger, string queue, double late, long untold);

    [LoggerMessage(403, LogLevel.Warning, "The handler of requests on queue '{Queue}' failed; its caller was told ({Untold} like it before are not in the log)")]
    internal static partial void RequestFailed(ILogger logger, string queue, long untold, Exception error);

    [LoggerMessage(404, LogLevel.Warning, "The reply to a request on queue '{Queue}' was not delivered ({Untold} like it before were not told)")]
    internal static partial void ReplyNotDelivered(ILogger logger, string queue, long untold, Exception error);

    [LoggerMessage(405, LogLevel.Warning, "The correlation selector of reply queue '{Queue}' failed; the message counts as unmatched ({Untold} like it before were not told)")]
    internal static partial void CorrelateFailed(ILogger logger, string queue, long untold, Exception error);
}
