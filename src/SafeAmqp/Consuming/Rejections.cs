using Microsoft.Extensions.Logging;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>Tells of messages that leave their queue without having been handled, so that none vanishes in silence: in
/// the log, in a metric, in words for the consumer's status.</summary>
/// <param name="client">The client's name.</param>
/// <param name="logger">Where they are logged.</param>
/// <param name="throttle">Keeps many of one kind out of the log.</param>
/// <param name="observer">Counts them.</param>
/// <param name="queueNamed">How this client declared a queue; null when it did not.</param>
internal sealed class Rejections(string client, ILogger logger, LogThrottle throttle, ClientObserver observer,
    Func<string, AmqpQueue?> queueNamed)
{
    /// <returns>What became of it, and why.</returns>
    internal string Report(AmqpDelivery delivery)
    {
        string reason = delivery.Flaw is { } flaw ? $"it cannot be read: {flaw.Reason}"
            : delivery.RejectedOver ?? "it was rejected by what handled it";
        string kind = delivery.Flaw is not null || delivery.Fault is AmqpUnreadableException ? "unreadable"
            : delivery.RejectedOver is not null ? "failed" : "rejected";
        string? exchange = queueNamed(delivery.Queue)?.Argument("x-dead-letter-exchange") as string;
        var (fate, told) = delivery.StreamOffset is not null ? ("passed_over", "passed over")
            : exchange is not null && !delivery.IsGone ? ("dead_lettered", $"dead-lettered to exchange '{exchange}'")
            : ("discarded", "discarded");
        observer.Rejected(delivery, kind, fate);
        string? id = delivery.Message.MessageId is { } given ? StatusText.Printable(given) : null;
        if (throttle.ShouldLog(delivery.Queue, kind, out long suppressed))
            Log.Rejected(logger, client, told, delivery.Queue, delivery.DeliveryTag, id, reason, suppressed,
                delivery.Fault);
        return $"delivery {delivery.DeliveryTag}{(id is null ? "" : $" (message id {id})")} was {told}: {reason}";
    }
}
