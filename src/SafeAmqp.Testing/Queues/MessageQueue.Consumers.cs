using SafeAmqp.Testing.Channels;

namespace SafeAmqp.Testing.Queues;

/// <summary>
/// Which consumer gets the next message: by priority, then in turn (x-priority, single active consumer, exclusive
/// consumers).
/// </summary>
internal sealed partial class MessageQueue
{
    /// <summary>The consumers that could take a message now, as far as known, in the order of their turn.</summary>
    private readonly List<Consumer> _active = [];
    private bool _dispatching;

    /// <summary>It was the only active consumer, and still has messages.</summary>
    private Consumer? _fading;

    public override void Add(Consumer consumer)
    {
        // Quorum queues do not look at it.
        if (!Arguments.IsQuorum && (Consumers.Exists(other => other.Exclusive)
            || consumer.Exclusive && (Consumers.Count > 0 || Arguments.SingleActiveConsumer)))
            throw new AmqpError(ReplyCode.AccessRefused, $"{Description} in exclusive use");
        Consumers.Add(consumer);
        _unusedTimer?.Cancel();
        _unusedTimer = null;
        if (!Arguments.SingleActiveConsumer || Consumers.Count == 1)
            Activate(consumer);
        else if (Arguments.PromotesByPriority)
            Promote();
    }

    public override void Remove(Consumer consumer)
    {
        if (!Consumers.Remove(consumer) || IsDeleted)
            return;
        bool wasActive = consumer.IsActive;
        _active.Remove(consumer);
        if (Consumers.Count > 0)
        {
            if (Arguments.PromotesByPriority)
                Promote();
            else if (Arguments.SingleActiveConsumer && wasActive)
                Activate(Arguments.IsQuorum ? Consumers[0] : Highest());
            Dispatch();
            return;
        }
        // Auto-delete: only a queue that had a consumer is deleted with its last one (50.10).
        if (AutoDelete) Delete();
        else Touch();
    }

    /// <summary>A consumer has room again: it takes its turn behind the others.</summary>
    public override void Unblock(Consumer consumer)
    {
        if (Arguments.PromotesByPriority && !IsDeleted)
            Promote();
        if (!consumer.IsWaiting || IsDeleted || !Consumers.Contains(consumer))
            return;
        if (consumer.IsActive)
            Enlist(consumer);
    }

    /// <summary>Hands out what waits to the consumers that can take it.</summary>
    public override void Dispatch()
    {
        // A delivery can end in here again, by way of a fault that requeues at once.
        if (_dispatching)
            return;
        _dispatching = true;
        try
        {
            // A classic queue that messages came back to drops what is too many before it hands out.
            if (!_isTakingNew && !Arguments.IsQuorum)
                DropOverflow();
            while (ReadyCount > 0 && _active.Count > 0)
            {
                Consumer consumer = _active[0];
                _active.RemoveAt(0);
                consumer.IsWaiting = true;
                if (!consumer.CanTake)
                    continue;
                QueueEntry? entry = Take(consumer.NoAck);
                Enlist(consumer);
                if (entry is null)
                    break;
                consumer.Deliver(entry);
            }
        }
        finally
        {
            _dispatching = false;
        }
    }

    /// <summary>
    /// The first consumer of the highest priority becomes the active one. The one before gets no more, and is followed
    /// when it has settled what it has.
    /// </summary>
    private void Promote()
    {
        if (_fading is { Unacked: > 0 } && Consumers.Contains(_fading))
            return;
        _fading = null;
        Consumer heir = Highest();
        if (Consumers.Find(consumer => consumer.IsActive) is { } active)
        {
            if (active.Priority >= heir.Priority)
                return;
            active.IsActive = false;
            _active.Remove(active);
            if (active.Unacked > 0)
            {
                _fading = active;
                return;
            }
        }
        Activate(heir);
    }

    private Consumer Highest() => Consumers.MaxBy(consumer => consumer.Priority)!;

    private void Activate(Consumer consumer)
    {
        consumer.IsActive = true;
        Enlist(consumer);
    }

    private void Enlist(Consumer consumer)
    {
        consumer.IsWaiting = false;
        int place = _active.FindIndex(other => other.Priority < consumer.Priority);
        if (place < 0) _active.Add(consumer);
        else _active.Insert(place, consumer);
    }
}
