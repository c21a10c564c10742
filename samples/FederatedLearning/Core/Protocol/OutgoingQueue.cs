using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using FederatedLearning.Messages;

namespace FederatedLearning.Protocol;

/// <summary>
/// What one handler has to send, in order. The core puts in and never waits; the handler alone takes out.
/// </summary>
/// <remarks>
/// Bounded without a bound: what a newer message makes pointless goes. A newer model for the same recipients replaces
/// the older one and the orders of older rounds; an order repeated replaces itself. A handler whose broker is away for
/// a hundred rounds finds one model here, not a hundred.
/// </remarks>
public sealed class OutgoingQueue
{
    private readonly Lock _lock = new();
    private readonly LinkedList<OutgoingMessage> _messages = new();

    // Holds at most one wake-up: the reader looks at everything when it wakes.
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private bool _isCompleted;

    /// <summary>How many messages wait.</summary>
    public int Count
    {
        get { lock (_lock) return _messages.Count; }
    }

    /// <summary>
    /// Takes the next message, waiting for one; null when the core has completed the queue and all was taken.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting; no message is lost by it.</param>
    public async ValueTask<OutgoingMessage?> TakeAsync(CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (TryTake(out var message)) return message;
            lock (_lock)
            {
                if (_isCompleted && _messages.Count == 0) return null;
            }
            await _changed.Reader.ReadAsync(cancellationToken);
        }
    }

    /// <summary>Takes the next message, if one waits: for a loop that is woken otherwise.</summary>
    public bool TryTake([NotNullWhen(true)] out OutgoingMessage? message)
    {
        lock (_lock)
        {
            message = _messages.First?.Value;
            if (message is not null) _messages.RemoveFirst();
            return message is not null;
        }
    }

    /// <summary>All messages until the queue is completed.</summary>
    public async IAsyncEnumerable<OutgoingMessage> TakeAllAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (await TakeAsync(cancellationToken) is { } message) yield return message;
    }

    /// <summary>
    /// Puts a message in. For the core, and for tests of handlers. After <see cref="Complete"/> without effect.
    /// </summary>
    public void Post(OutgoingMessage message)
    {
        lock (_lock)
        {
            if (_isCompleted) return;
            _messages.AddLast(Supersede(message));
        }
        _changed.Writer.TryWrite(true);
    }

    /// <summary>Nothing more will come. What is in the queue can still be taken.</summary>
    public void Complete()
    {
        lock (_lock) _isCompleted = true;
        _changed.Writer.TryWrite(true);
    }

    // Removes what the message makes pointless. A model without configuration takes over that of the one it replaces:
    // a client that has not had the first model yet needs it.
    private OutgoingMessage Supersede(OutgoingMessage message)
    {
        for (var node = _messages.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Recipient == message.Recipient && IsPointless(node.Value, message))
            {
                if (message is GlobalModel { ModelConfig: null } model
                    && node.Value is GlobalModel { ModelConfig: { } config })
                    message = model with { ModelConfig = config };
                _messages.Remove(node);
            }
            node = next;
        }
        return message;
    }

    private static bool IsPointless(OutgoingMessage older, OutgoingMessage newer) => (older, newer) switch
    {
        (GlobalModel or StartTraining or StartEvaluation, GlobalModel) => true,
        (StartTraining or StartEvaluation, StartTraining or StartEvaluation) => true,
        (StartTraining or StartEvaluation, TrainingComplete) => true,
        (TrainingConfig, TrainingConfig) => true,
        (Rejected, Rejected) => true,
        (Rejected, TrainingConfig) => true, // it has come back
        (ErrorReport, ErrorReport) => true,
        _ => false,
    };
}
