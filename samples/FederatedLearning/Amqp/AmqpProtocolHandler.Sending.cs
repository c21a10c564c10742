using FederatedLearning.Messages;
using SafeAmqp;

namespace FederatedLearning.Amqp;

// From the core's queue to the broker, one message after the other: the next goes when all copies of the one before have their outcome.
public sealed partial class AmqpProtocolHandler
{
    private const string Json = "application/json";

    // One copy of a message: where it goes, and to whom when it is one client alone.
    private readonly record struct Copy(AmqpMessage Message, ClientId? Client);

    private async Task SendAllAsync()
    {
        try
        {
            await foreach (var message in _outgoing!.TakeAllAsync(_givenUp.Token))
            {
                await SendAsync(message);
                if (message is Rejected { Recipient: { } rejected })
                    await ForgetAsync(rejected);
            }
        }
        catch (OperationCanceledException) when (_givenUp.IsCancellationRequested)
        {
            // The end of patience: what is left is given up.
        }
        catch (Exception error)
        {
            _log.Failed(error);
            await _federation!.HandlerFailedAsync(error);
        }
    }

    private async Task SendAsync(OutgoingMessage message)
    {
        var copies = CopiesOf(message);
        if (copies.Count == 0)
            return;
        // PublishAllAsync takes credit as it goes: a model for fifty clients is one body, and no more of it is under way than the credit allows.
        var results = await _amqp.PublishAllAsync([.. copies.Select(copy => copy.Message)], _givenUp.Token);
        for (var i = 0; i < copies.Count; i++)
            await ReportAsync(message, copies[i], results[i]);
    }

    private List<Copy> CopiesOf(OutgoingMessage message)
    {
        var body = message.ToJson();
        if (message.Recipient is { } recipient)
        {
            var isUnified = _clients.IsUnified(recipient);
            if (isUnified is null)
                _log.Unknown(recipient.Value, message.MessageType);
            return isUnified switch
            {
                true => [ToQueue(recipient)],
                false => [ToAll()],
                null => [],
            };
        }

        // A server for broadcast alone sends to whoever listens, also when nobody does; one whose clients all have queues need not.
        var (unified, anyOnBroadcast) = _clients.All();
        List<Copy> copies = anyOnBroadcast || unified.Length == 0 ? [ToAll()] : [];
        copies.AddRange(unified.Select(ToQueue));
        return copies;

        // Persistent, that is delivery mode 2; a queue that is gone is told, for its client has left.
        Copy ToQueue(ClientId client) => new(
            AmqpMessage.ToQueue(_names.To(client, message.MessageType), body) with { ContentType = Json, Type = message.MessageType }, client);

        Copy ToAll() => new(
            AmqpMessage.Broadcast(_names.Broadcast, body) with { ContentType = Json, Type = message.MessageType }, null);
    }

    private async ValueTask ReportAsync(OutgoingMessage message, Copy copy, AmqpPublishResult result)
    {
        var address = copy.Client is null ? copy.Message.Exchange : copy.Message.RoutingKey;
        switch (result.Outcome)
        {
            case AmqpOutcome.Confirmed when copy.Client is { } client:
                _log.Sent(message.MessageType, client.Value, address);
                break;
            case AmqpOutcome.Confirmed:
                _log.Broadcast(message.MessageType, address);
                break;
            case AmqpOutcome.Returned when copy.Client is { } client:
                _log.NotSent(message.MessageType, address, "the queue is gone");
                await ForgetAsync(client);
                await _federation!.ClientLeftAsync(client, $"its queue {address} is gone");
                break;
            default:
                _log.NotSent(message.MessageType, address, result.Error?.Message ?? result.Outcome.ToString());
                break;
        }
    }

    private Task ForgetAsync(ClientId client)
        => Task.WhenAll(_clients.Remove(client).Select(consumer => consumer.DisposeAsync().AsTask()));
}
