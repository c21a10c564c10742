using System.Threading.Channels;
using FederatedLearning.Messages;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Protocol;

/// <summary>
/// What every link does with a body that came from the server: reads it and passes it on, if it is for this client.
/// Models are large: no more than two messages are here unread.
/// </summary>
/// <param name="client">The link's client.</param>
/// <param name="title">The name that log lines of the protocol begin with.</param>
/// <param name="log">Where they go.</param>
public sealed class ServerInbox(ClientId client, string title, ILogger log)
{
    private readonly Channel<OutgoingMessage> _messages = Channel.CreateBounded<OutgoingMessage>(2);

    /// <summary>What was received.</summary>
    public ChannelReader<OutgoingMessage> Received => _messages.Reader;

    /// <summary>
    /// Takes a body; ends when there was room for the message. What cannot be read is passed over, with a line in the
    /// log, and what is for another client or of a type that only a newer server knows, without one. Once the link has
    /// ended, everything is.
    /// </summary>
    /// <param name="json">The body. It is not kept.</param>
    /// <param name="typeProperty">The property that says what it is.</param>
    /// <param name="cancellationToken">Ends waiting for room.</param>
    /// <returns>The message, if it was one for this client.</returns>
    public ValueTask<OutgoingMessage?> TakeAsync(
        ReadOnlySpan<byte> json, string typeProperty = ServerJson.DefaultTypeProperty,
        CancellationToken cancellationToken = default)
    {
        try
        {
            return ServerJson.Read(json, typeProperty) is { } message
                && (message.Recipient is null || message.Recipient == client)
                ? PassOnAsync(message, cancellationToken)
                : default;
        }
        catch (MessageRefusedException refused)
        {
            log.ProtocolUnreadable(title, client, refused.Message);
            return default;
        }
    }

    /// <summary>Passes a message on; ends when there was room for it, or the link has ended.</summary>
    public async ValueTask<OutgoingMessage?> PassOnAsync(
        OutgoingMessage message, CancellationToken cancellationToken = default)
    {
        try
        {
            await _messages.Writer.WriteAsync(message, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            // The link has ended: it is not wanted any more.
        }
        return message;
    }

    /// <summary>The link has ended.</summary>
    /// <param name="error">Why, if it was lost.</param>
    public void Complete(LinkException? error = null) => _messages.Writer.TryComplete(error);
}
