using FederatedLearning.Messages;
using SafeAmqp;

namespace FederatedLearning.Amqp;

// From the core's queue to the broker, one message after the other: the next goes when all copies of the one before
// have their outcome.
public sealed partial class AmqpProtocolHandler
{
    private const string Json = "application/json";

    // One copy of a message: where it goes, and to whom when it is one client alone.
    private readonly record struct Copy(AmqpMessage Message, ClientId? Client);

    /// <inheritdoc/>
    protected override async Task SendAsync(OutgoingMessage message)
    {
        // PublishAllAsync takes credit as it goes: a model for fifty clients is one body, and no more of it is under
        // way than the credit allows.
        var copies = CopiesOf(message);
        var results = await _amqp.PublishAllAsync([.. copies.Select(copy => copy.Message)], GivenUp);
        for (int i = 0; i < copies.Count; i++)
            await ReportAsync(message, copies[i], results[i]);
        if (message is Rejected { Recipient: { } rejected })
            await ForgetAsync(rejected);
    }

    private List<Copy> CopiesOf(OutgoingMessage message)
    {
        var clients = _clients.RecipientsOf(message);
        if (message.Recipient is { } recipient && clients.Count == 0)
        {
            Drop(message, recipient);
            return [];
        }

        // A server for broadcast alone sends to all that listen, even when none does; one whose clients all have queues
        // need not.
        bool onBroadcast = clients.Count == 0 || clients.Any(client => !client.Value.IsUnified);
        List<Copy> copies = onBroadcast ? [new Copy(ToAll(message), null)] : [];
        copies.AddRange(clients.Where(client => client.Value.IsUnified)
            .Select(client => new Copy(ToQueue(message, client.Key), client.Key)));
        return copies;
    }

    // Persistent, that is delivery mode 2; a queue that is gone is told, for its client has left.
    private AmqpMessage ToQueue(OutgoingMessage message, ClientId client)
        => AmqpMessage.ToQueue(_names.To(client, message.MessageType), message.ToJson()) with
        {
            ContentType = Json,
            Type = message.MessageType
        };

    private AmqpMessage ToAll(OutgoingMessage message)
        => AmqpMessage.Broadcast(_names.Broadcast, message.ToJson()) with
        {
            ContentType = Json,
            Type = message.MessageType
        };

    private async ValueTask ReportAsync(OutgoingMessage message, Copy copy, AmqpPublishResult result)
    {
        string address = copy.Client is null ? copy.Message.Exchange : copy.Message.RoutingKey;
        if (result.Outcome == AmqpOutcome.Confirmed) Context.Traffic.Sent(copy.Message.Body.Length);
        switch (result.Outcome)
        {
            case AmqpOutcome.Confirmed when copy.Client is { } client:
                Log.Sent(message.MessageType, client.Value, address);
                break;
            case AmqpOutcome.Confirmed:
                Log.Broadcast(message.MessageType, address);
                break;
            case AmqpOutcome.Returned when copy.Client is { } client:
                Log.NotSent(message.MessageType, address, "the queue is gone");
                await ForgetAsync(client);
                await Context.Federation.ClientLeftAsync(client, $"its queue {address} is gone");
                break;
            default:
                Log.NotSent(message.MessageType, address, result.Error?.Message ?? result.Outcome.ToString());
                break;
        }
    }

    private Task ForgetAsync(ClientId client) => EndAsync(_clients.Remove(client));

    private static Task EndAsync(AmqpWay? way)
        => Task.WhenAll((way?.Consumers ?? []).Select(consumer => consumer.DisposeAsync().AsTask()));
}

/// <summary>The way to a client: by broadcast, or by queues of its own, which are consumed for it alone.</summary>
internal sealed record AmqpWay(bool IsUnified, IReadOnlyList<AmqpSubscription> Consumers);
