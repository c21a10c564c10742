using System.Threading.Channels;
using FederatedLearning.Messages;

namespace FederatedLearning.Protocol;

/// <summary>
/// A client's connection to the server over one protocol. <see cref="ClientConnection"/> makes, uses and replaces them.
/// </summary>
/// <remarks>
/// The rules, the same for every protocol:
/// <list type="bullet">
/// <item>A link connects once. When its connection is lost for good, <see cref="Received"/> ends, and a new link takes
/// its place, which registers again. A link whose library recovers by itself does not end; what it has not delivered it
/// delivers afterwards.</item>
/// <item>It owns its connection and its thread or loop; its members may be called from any thread, once it is
/// connected.</item>
/// <item>It reads no more than a few messages ahead: models are large.</item>
/// <item>It passes on only what is for its client, and passes over what it cannot read, with a line in the log.</item>
/// <item>Disposing it closes the connection in order and ends all its threads, in a few seconds at most.</item>
/// </list>
/// </remarks>
public interface IClientLink : IAsyncDisposable
{
    /// <summary>The protocol's short name, as the server's handler has it: <c>amqp</c>.</summary>
    string Protocol { get; }

    /// <summary>What the server says to this client. Ends when the connection is lost for good.</summary>
    ChannelReader<OutgoingMessage> Received { get; }

    /// <summary>Connects; the client is not registered by it.</summary>
    /// <exception cref="LinkException">The server or its broker cannot be reached, or refuses this client.</exception>
    Task ConnectAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Sends a registration, an update or metrics; ends when it was handed over for good, as far as the protocol tells.
    /// </summary>
    /// <exception cref="LinkException">It may not have arrived.</exception>
    /// <exception cref="MessageRefusedException">It is larger than <see cref="MessageLimit.Bytes"/>.</exception>
    ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken);
}

/// <summary>A link cannot connect, or cannot send. The text says why, and holds no secret.</summary>
public sealed class LinkException : Exception
{
    /// <summary>Says what failed.</summary>
    /// <param name="message">In words for the client's operator.</param>
    /// <param name="inner">The library's exception.</param>
    public LinkException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    /// <summary>Whether trying again is of no use: a wrong password, a certificate that is not trusted.</summary>
    public bool IsFinal { get; init; }
}
