using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>Fixed reply queues: each is consumed on the receive link from its first call on; what it brings is matched,
/// by user code, on the pump, and posted to the link that holds the calls.</summary>
/// <param name="consumeAsync">Consumes a queue with a handler.</param>
/// <param name="callers">The thread of the link that holds the calls.</param>
/// <param name="logger">Where failures are logged.</param>
/// <param name="throttle">Keeps repeated failures out of the log.</param>
internal sealed class FixedReplies(Func<string, AmqpHandler, ValueTask<AmqpSubscription>> consumeAsync,
    IoThread callers, ILogger logger, LogThrottle throttle)
{
    private readonly ConcurrentDictionary<AmqpReplyAddress.FixedReplyAddress, Lazy<Task<AmqpSubscription>>> _consumers =
        [];

    /// <summary>Ensures that the queue is consumed before a request leaves.</summary>
    internal async Task EnsureAsync(AmqpReplyAddress.FixedReplyAddress address)
    {
        Lazy<Task<AmqpSubscription>> consumer =
            _consumers.GetOrAdd(address, key => new Lazy<Task<AmqpSubscription>>(() => ConsumeAsync(key)));
        AmqpSubscription replies;
        try
        {
            replies = await consumer.Value.ConfigureAwait(false);
        }
        catch (AmqpPoisonException poison)
        {
            _consumers.TryRemove(KeyValuePair.Create(address, consumer));
            throw CannotReceive(poison);
        }
        catch (Exception)
        {
            // The next call tries again
            _consumers.TryRemove(KeyValuePair.Create(address, consumer));
            throw;
        }
        if (replies.Error is { } error)
            throw CannotReceive(error);
    }

    private static AmqpNotSentException CannotReceive(AmqpException error)
        => new($"The request was not sent, as its replies cannot be received: {error.Message}", error, error.Status);

    private async Task<AmqpSubscription> ConsumeAsync(AmqpReplyAddress.FixedReplyAddress address)
        => await consumeAsync(address.QueueName,
            (delivery, lost) => HandleAsync(address, delivery, lost)).ConfigureAwait(false);

    private async ValueTask<AmqpSettlement> HandleAsync(AmqpReplyAddress.FixedReplyAddress address,
        AmqpDelivery delivery, CancellationToken lost)
    {
        string? id = null;
        try
        {
            id = address.Correlate(delivery.Message);
        }
        catch (Exception error)
        {
            if (throttle.ShouldLog(address.QueueName, "correlate", out long suppressed))
                Log.CorrelateFailed(logger, address.QueueName, suppressed, error);
        }
        var matched = new Completion<bool>();
        // Also without an id: it is counted there
        callers.PostOrAbandon(new Replied(id, delivery.Message, matched, delivery.Flaw));
        if (await matched.Task.ConfigureAwait(false) || delivery.Flaw is not null)
            return AmqpSettlement.Ack;
        return address.Unmatched is { } unmatched ? await unmatched(delivery, lost).ConfigureAwait(false)
            : AmqpSettlement.Ack;
    }
}
