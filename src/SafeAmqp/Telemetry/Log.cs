using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry;

/// <summary>Every log line of the library, with ids by room: 100 links, 200 topology, 300 consuming, 400 calls. An id
/// never changes its meaning. None carries a secret. Repeated lines are throttled: <see cref="LogThrottle"/>.</summary>
internal static partial class Log
{
    internal const string Category = "SafeAmqp";

    [LoggerMessage(100, LogLevel.Debug, "I/O thread {Thread} started")]
    internal static partial void ThreadStarted(ILogger logger, string thread);

    [LoggerMessage(101, LogLevel.Critical,
        "AMQP client '{Client}': the I/O thread of the {Link} link crashed. This is a bug in SafeAmqp; all pending "
            + "operations of the link have failed")]
    internal static partial void ThreadCrashed(ILogger logger, string client, string link, Exception error);

    [LoggerMessage(102, LogLevel.Information,
        "AMQP client '{Client}': the {Link} link went from {From} to {To}: {Detail}")]
    internal static partial void StateChanged(ILogger logger, string client, string link, AmqpLinkState from,
        AmqpLinkState to, string detail);

    [LoggerMessage(103, LogLevel.Warning, "AMQP client '{Client}': the {Link} link was lost while {From}: {Detail}")]
    internal static partial void LinkLost(ILogger logger, string client, string link, AmqpLinkState from,
        string detail);

    [LoggerMessage(104, LogLevel.Warning,
        "AMQP client '{Client}': the broker is blocking publishing on the {Link} link: {Reason}")]
    internal static partial void Blocked(ILogger logger, string client, string link, string reason);

    [LoggerMessage(105, LogLevel.Information,
        "AMQP client '{Client}': the broker unblocked publishing on the {Link} link after {Seconds:0.0} s")]
    internal static partial void Unblocked(ILogger logger, string client, string link, double seconds);

    [LoggerMessage(106, LogLevel.Warning, "AMQP client '{Client}': on the {Link} link {What}")]
    internal static partial void Unobserved(ILogger logger, string client, string link, string what, Exception error);

    [LoggerMessage(107, LogLevel.Warning,
        "AMQP client '{Client}': the {Link} link could not be opened while {From}: {Detail} (failure {Failures} in a "
            + "row; {Suppressed} similar messages were suppressed)")]
    internal static partial void AttemptFailed(ILogger logger, string client, string link, AmqpLinkState from,
        string detail, int failures, int suppressed);

    [LoggerMessage(108, LogLevel.Debug,
        "AMQP client '{Client}': the {Link} link could not be opened while {From} for the same reason as before: "
            + "{Detail}")]
    internal static partial void FailedAgain(ILogger logger, string client, string link, AmqpLinkState from,
        string detail);

    [LoggerMessage(109, LogLevel.Debug, "AMQP client '{Client}': the {Link} link is trying again: {Detail}")]
    internal static partial void TryingAgain(ILogger logger, string client, string link, string detail);

    [LoggerMessage(110, LogLevel.Warning,
        "AMQP client '{Client}': the thread pool is starved; a work item has been waiting for {Seconds:0.0} s "
            + "({Threads} threads, {Pending} items queued). Handshakes, heartbeats and TLS need the pool, so "
            + "connections may be lost; something in this process is blocking its threads")]
    internal static partial void PoolStarved(ILogger logger, string client, double seconds, int threads, long pending);

    [LoggerMessage(111, LogLevel.Information,
        "AMQP client '{Client}': the thread pool has recovered; the work item waited for {Seconds:0.0} s")]
    internal static partial void PoolRelieved(ILogger logger, string client, double seconds);

    [LoggerMessage(112, LogLevel.Information,
        "AMQP client '{Client}': the {Link} link gave the broker a new secret before the old one expired")]
    internal static partial void SecretRenewed(ILogger logger, string client, string link);

    [LoggerMessage(113, LogLevel.Warning,
        "AMQP client '{Client}': the {Link} link could not give the broker a new secret and will retry: {Reason}")]
    internal static partial void SecretNotRenewed(ILogger logger, string client, string link, string reason);

    [LoggerMessage(114, LogLevel.Warning,
        "AMQP client '{Client}': credentials and messages go unencrypted to {Hosts}. Use amqps:// where the network "
            + "is not to be trusted")]
    internal static partial void Unencrypted(ILogger logger, string client, string hosts);

    [LoggerMessage(115, LogLevel.Warning, "AMQP client '{Client}': a handler of StateChanged threw on {Change}")]
    internal static partial void StateHandlerFailed(ILogger logger, string client, string change, Exception error);

    [LoggerMessage(200, LogLevel.Error,
        "AMQP client '{Client}': the {Link} link could not redeclare {Entity}: {Reason} ({Suppressed} similar "
            + "messages were suppressed)")]
    internal static partial void TopologyRefused(ILogger logger, string client, string link, string entity,
        string reason, long suppressed);

    [LoggerMessage(201, LogLevel.Error,
        "AMQP client '{Client}': the broker closed the {Link} link's connection over the declaration of {Entity}, "
            + "which is left out of recoveries until it is declared again: {Reason}")]
    internal static partial void ConnectionClosedOver(ILogger logger, string client, string link, string entity,
        string reason);

    [LoggerMessage(300, LogLevel.Information, "AMQP client '{Client}': the {Link} link is consuming queue '{Queue}'")]
    internal static partial void ConsumerLive(ILogger logger, string client, string link, string queue);

    [LoggerMessage(301, LogLevel.Warning,
        "AMQP client '{Client}': the {Link} link lost its consumer of queue '{Queue}' and will retry: {Reason} "
            + "({Suppressed} similar messages were suppressed)")]
    internal static partial void ConsumerLost(ILogger logger, string client, string link, string queue, string reason,
        long suppressed);

    [LoggerMessage(302, LogLevel.Error,
        "AMQP client '{Client}': the handler of queue '{Queue}' failed on delivery {Tag} (message id {MessageId}); "
            + "next: {Policy} ({Suppressed} similar messages were suppressed)")]
    internal static partial void HandlerFailed(ILogger logger, string client, string queue, ulong tag,
        string? messageId, string policy, long suppressed, Exception error);

    [LoggerMessage(303, LogLevel.Warning,
        "AMQP client '{Client}': a delivery of queue '{Queue}' could not be moved to its retry queue and is held "
            + "here ({Suppressed} similar messages were suppressed)")]
    internal static partial void RetryFailed(ILogger logger, string client, string queue, long suppressed,
        Exception error);

    [LoggerMessage(304, LogLevel.Error,
        "AMQP client '{Client}': the {Link} link stopped its consumer of queue '{Queue}' for good, as one of its "
            + "messages {Reason}")]
    internal static partial void ConsumerPoisoned(ILogger logger, string client, string link, string queue,
        string reason);

    [LoggerMessage(305, LogLevel.Warning,
        "AMQP client '{Client}': a message of queue '{Queue}' (delivery {Tag}, message id {MessageId}) has come back "
            + "to it; {Left} more returns, then the queue drops it, as it was declared without a dead-letter "
            + "exchange; a consumer that stops and a loop that is left return what they have fetched, too "
            + "({Suppressed} similar messages were suppressed)")]
    internal static partial void FewReturnsLeft(ILogger logger, string client, string queue, ulong tag,
        string? messageId, long left, long suppressed);

    [LoggerMessage(306, LogLevel.Error,
        "AMQP client '{Client}' {Fate} a message of queue '{Queue}' (delivery {Tag}, message id {MessageId}): "
            + "{Reason} ({Suppressed} similar messages were suppressed)")]
    internal static partial void Rejected(ILogger logger, string client, string fate, string queue, ulong tag,
        string? messageId, string reason, long suppressed, Exception? error);

    [LoggerMessage(307, LogLevel.Warning,
        "AMQP client '{Client}': a message of queue '{Queue}' (delivery {Tag}, message id {MessageId}) could not be "
            + "moved to queue '{Dead}'; {Next} ({Suppressed} similar messages were suppressed)")]
    internal static partial void NotDeadLettered(ILogger logger, string client, string queue, ulong tag,
        string? messageId, string dead, string next, long suppressed, Exception error);

    [LoggerMessage(308, LogLevel.Warning,
        "AMQP client '{Client}': all handlers of queue '{Queue}' have been running for {Seconds:0.0} s; nothing new "
            + "is handled there")]
    internal static partial void HandlersStuck(ILogger logger, string client, string queue, double seconds);

    [LoggerMessage(400, LogLevel.Information,
        "AMQP client '{Client}': the {Link} link receives replies on queue '{Queue}'")]
    internal static partial void ReplyQueueCreated(ILogger logger, string client, string link, string queue);

    [LoggerMessage(401, LogLevel.Warning,
        "AMQP client '{Client}': a request on queue '{Queue}' has no reply address; it was acknowledged without an "
            + "answer. Send requests with CallAsync, or consume the queue instead of serving it ({Suppressed} "
            + "similar messages were suppressed)")]
    internal static partial void RequestWithoutReplyTo(ILogger logger, string client, string queue, long suppressed);

    [LoggerMessage(402, LogLevel.Information,
        "AMQP client '{Client}': a request on queue '{Queue}' arrived {Late:0.000} s after its deadline and was "
            + "dropped. The servers of the queue are too few or too slow, or the clocks of both ends differ "
            + "({Suppressed} similar messages were suppressed)")]
    internal static partial void RequestTooLate(ILogger logger, string client, string queue, double late,
        long suppressed);

    [LoggerMessage(403, LogLevel.Warning,
        "AMQP client '{Client}': the handler of requests on queue '{Queue}' failed; the error was sent to the caller "
            + "({Suppressed} similar messages were suppressed)")]
    internal static partial void RequestFailed(ILogger logger, string client, string queue, long suppressed,
        Exception error);

    [LoggerMessage(404, LogLevel.Warning,
        "AMQP client '{Client}': the reply to a request on queue '{Queue}' was not delivered ({Suppressed} similar "
            + "messages were suppressed)")]
    internal static partial void ReplyNotDelivered(ILogger logger, string client, string queue, long suppressed,
        Exception error);

    [LoggerMessage(405, LogLevel.Warning,
        "AMQP client '{Client}': the correlation selector of reply queue '{Queue}' failed; the message counts as "
            + "unmatched ({Suppressed} similar messages were suppressed)")]
    internal static partial void CorrelateFailed(ILogger logger, string client, string queue, long suppressed,
        Exception error);
}
