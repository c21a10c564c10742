using FederatedLearning.Messages;
using FederatedLearning.Status;

namespace FederatedLearning.Protocol;

/// <summary>
/// The core as one handler sees it. Every member may be called from any thread at any time, also after the training has
/// ended.
/// </summary>
/// <remarks>
/// Each call ends when the core has decided, so a handler that settles its deliveries after the call has at most its
/// prefetch of messages in memory, and loses none. Answers to clients never come back by the call: they come through
/// the handler's queue. A client is known by its id across all protocols; its messages are accepted whichever handler
/// brings them, and answers go the way of its last registration.
/// </remarks>
public interface IFederation
{
    /// <summary>The state of the training. Memory only.</summary>
    FederationSnapshot Snapshot { get; }

    /// <summary>
    /// A client asks to take part. Accepted clients get configuration and model (at once when the training runs, else
    /// when it starts); one that registers again, after a restart or over another protocol, gets them again. Refused:
    /// the server is full, or stopping; the client gets <see cref="Rejected"/>, after which the handler forgets it.
    /// </summary>
    ValueTask<MessageVerdict> ClientRegisteredAsync(
        ClientRegistration registration, CancellationToken cancellationToken = default);

    /// <summary>
    /// A client has trained. What is wrong with the update (shape, NaN, round, unknown client) is told to the client,
    /// and the round goes on.
    /// </summary>
    ValueTask<MessageVerdict> UpdateReceivedAsync(ClientUpdate update, CancellationToken cancellationToken = default);

    /// <summary>A client has evaluated the global model.</summary>
    ValueTask<MessageVerdict> MetricsReceivedAsync(
        ClientMetrics metrics, CancellationToken cancellationToken = default);

    /// <summary>
    /// A message could not be read at all (<see cref="MessageRefusedException"/>). It is counted; the client, if it is
    /// known, gets <see cref="ErrorReport"/> with the reason, and the running round no longer waits for it (a correct
    /// message in time still counts).
    /// </summary>
    /// <param name="client">Whose message it was, where the message or its way says so.</param>
    /// <param name="reason">What is wrong, in words for the client's operator.</param>
    /// <param name="cancellationToken">Ends waiting for the core.</param>
    ValueTask MessageRefusedAsync(ClientId? client, string reason, CancellationToken cancellationToken = default);

    /// <summary>
    /// A client is gone for certain: its connection closed, its queue deleted, it said so. The round no longer waits
    /// for it. Without effect when the client has meanwhile registered over another handler. A handler that cannot tell
    /// says nothing: a client that is silent at a round's deadline is not waited for any more.
    /// </summary>
    ValueTask ClientLeftAsync(ClientId client, string reason, CancellationToken cancellationToken = default);

    /// <summary>The handler has ended for good by itself: its clients have left. Others go on.</summary>
    ValueTask HandlerFailedAsync(Exception error, CancellationToken cancellationToken = default);
}

/// <summary>
/// What the core made of a message. All four are settled alike (acknowledged): none gets better by being delivered
/// again.
/// </summary>
public enum MessageVerdict
{
    /// <summary>It counts.</summary>
    Accepted,

    /// <summary>The client has said this already in this round. Ignored and counted.</summary>
    Duplicate,

    /// <summary>It belongs to another round, or comes too late in this one. Ignored and counted.</summary>
    Stale,

    /// <summary>It is wrong; the client was told why.</summary>
    Refused,
}
