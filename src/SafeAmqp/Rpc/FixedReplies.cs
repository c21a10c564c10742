using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>
/// Fixed reply queues: each is consumed on the receive link from its first call on; what it brings is matched, by user code, on the pump, and
/// posted to the link that holds the calls.
/// </summary>
internal sealed class FixedReplies(AmqpClient client, IoThread callers, ILogger logger, Thinner thinner)
{
    private readonly ConcurrentDictionary<AmqpReplyAddress.FixedReplyAddress, Lazy<Task<AmqpSubscription>>> _consumers = [];

    /// <summary>Sees to it that the queue is consumed before a request leaves.</summary>
    internal async Task EnsureAsync(AmqpReplyAddress.FixedReplyAddress address)
    {
        Lazy<Task<AmqpSubscription>> consumer = _consumers.GetOrAdd(address, key => new Lazy<Task<AmqpSubscription>>(() => ConsumeAsync(key)));
        AmqpSubscription replies;
        try
        {
            replies = await consumer.Value.ConfigureAwait(false);
        }
        catch (AmqpPoisonException poison)
        {
            _consumers.TryRemove(new KeyValuePair<AmqpReplyAddress.FixedReplyAddress, Lazy<Task<AmqpSubscription>>>(address, consumer));
            throw CannotReceive(poison);
        }
        catch (Exception)
        {
            _consumers.TryRemove(new KeyValuePair<AmqpReplyAddress.FixedReplyAddress, Lazy<Task<AmqpSubscription>>>(address, consumer)); // the next call tries again
            throw;
        }
        if (replies.Error is { } error)
            throw CannotReceive(error);
    }

    private static AmqpNotSentException CannotReceive(AmqpException error)
        => new($"The request was not sent, as its replies cannot be received: {error.Message}", error) { Status = error.Status };

    private async Task<AmqpSubscription> ConsumeAsync(AmqpReplyAddress.FixedReplyAddress address)
        => await client.ConsumeAsync(address.QueueName, (delivery, lost) => HandleAsync(address, delivery, lost), options: null, ended: null,
            DeliveryUse.Passage, CancellationToken.None).ConfigureAwait(false);

    private async ValueTask<AmqpSettlement> HandleAsync(AmqpReplyAddress.FixedReplyAddress address, AmqpDelivery delivery, CancellationToken lost)
    {
        string? id = null;
        try
        {
            id = address.Correlate(delivery.Message);
        }
        catch (Exception error)
        {
            if (thinner.Tells(address.QueueName, "correlate", out long untold))
                Log.CorrelateFailed(logger, address.QueueName, untold, error);
        }
        var matched = new Completion<bool>();
        callers.PostOrAbandon(new ActorCommand.Replied(id, delivery.Message, matched)); // also without an id: it is counted there
        if (await matched.Task.ConfigureAwait(false))
            return AmqpSettlement.Ack;
        return address.Unmatched is { } unmatched ? await unmatched(delivery, lost).ConfigureAwait(false) : AmqpSettlement.Ack;
    }
}
