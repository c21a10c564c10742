using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Queues;

/// <summary>
/// A classic or quorum queue: messages that wait, messages that are out with consumers, and the consumers.
/// </summary>
internal sealed partial class MessageQueue(
    VirtualHost host, string name, bool durable, bool autoDelete, Connection? owner, QueueArguments arguments)
    : BrokerQueue(host, name, durable, autoDelete, owner, arguments)
{
    private readonly ReadyList _ready = new(arguments.MaxPriority, arguments.HasQuorumPriorities);
    private long _nextPosition;
    private bool _isTakingNew;
    private bool _isOverLimit;
    private long _unackedBytes;
    private LoopTimers.Entry? _unusedTimer;
    private LoopTimers.Entry? _ttlTimer;
    private long _ttlDue = long.MaxValue;

    public override int ReadyCount => _ready.Count;

    public override IEnumerable<QueueEntry> Ready => _ready.All;

    public override long HeldBytes => _ready.HeldBytes + _unackedBytes;

    /// <summary>Of a quorum queue's consumers only those count that are not waiting to be the active one.</summary>
    public override (int Messages, int Consumers) Counts => (ReadyCount,
        Arguments.IsQuorum ? Consumers.Count(consumer => consumer.IsActive || consumer == _fading) : Consumers.Count);

    public override bool Publish(Message message)
    {
        if (Arguments.RejectsPublish && (Arguments.IsQuorum ? IsStillOverLimit() : IsFull(1, message.Size)))
        {
            if (Arguments.DeadLettersRejected)
                DeadLetter(new QueueEntry(message, 0), "maxlen");
            return false;
        }
        var entry = new QueueEntry(message, _nextPosition++)
        {
            ExpiresAt = ExpiryOf(message),
            Redelivered = Arguments.ShowsRejections && message.Rejections > 0,
        };
        _ready.Append(entry);
        if (_active.Count > 0)
        {
            // A consumer that can take it gets even a message whose time to live is nothing.
            _isTakingNew = true;
            Dispatch();
            _isTakingNew = false;
        }
        if (entry.ExpiresAt != long.MaxValue)
            Expire();
        DropOverflow();
        _isOverLimit = Arguments.IsQuorum && Arguments.RejectsPublish && IsFull(0, 0);
        return true;
    }

    public override QueueEntry? Take(bool noAck)
    {
        if (!_isTakingNew)
            Expire();
        if (_ready.Count == 0)
            return null;
        QueueEntry entry = _ready.Take();
        if (!noAck)
        {
            Unacked.Add(entry);
            _unackedBytes += entry.Message.HeldBytes;
        }
        ArmExpiry();
        return entry;
    }

    public override void Acknowledge(QueueEntry entry) => GiveUp(entry);

    public override void CheckGet()
    {
        if (!Arguments.IsQuorum || !Arguments.SingleActiveConsumer)
            return;
        string text = $"cannot obtain access to locked {Description}. basic.get operations are not supported by "
            + "quorum queues with single active consumer";
        throw new AmqpError(ReplyCode.ResourceLocked, text);
    }

    public override void Requeue(QueueEntry entry, bool isLost)
    {
        if (!GiveUp(entry) || IsDeleted)
            return;
        entry.Redelivered = true;
        entry.DeliveryCount++;
        if (Arguments.DeliveryLimit is { } limit && entry.DeliveryCount > limit)
        {
            DeadLetter(entry, "delivery_limit");
            return;
        }
        // A quorum queue gives what came back out before all others; but without a delivery limit, what a consumer
        // gives back goes to its end.
        if (!Arguments.IsQuorum) _ready.Return(entry);
        else if (Arguments.DeliveryLimit is not null || isLost) _ready.ReturnFirst(entry);
        else
        {
            entry.Position = _nextPosition++;
            _ready.Append(entry);
        }
    }

    public override void Settled()
    {
        if (IsDeleted)
            return;
        Dispatch();
        Expire();
        DropOverflow();
    }

    public override void Reject(QueueEntry entry)
    {
        if (GiveUp(entry) && !IsDeleted)
            DeadLetter(entry, "rejected");
    }

    public override int Purge()
    {
        int count = ReadyCount;
        while (_ready.Count > 0)
            _ready.Take();
        return count;
    }

    protected override void Deleted()
    {
        _unusedTimer?.Cancel();
        _ttlTimer?.Cancel();
        _active.Clear();
    }

    /// <summary>
    /// Persistent messages come back, those that were out as redelivered; after a crash a classic queue does not know
    /// which these were. Transient ones are gone, consumers too.
    /// </summary>
    public override void Restart(bool crashed)
    {
        foreach (QueueEntry entry in Unacked.OrderBy(e => Arguments.IsQuorum ? e.Position : -e.Position).ToArray())
            Requeue(entry, isLost: true);
        Consumers.Clear();
        _active.Clear();
        Touch();
        if (Arguments.IsQuorum)
            return;
        var kept = new List<QueueEntry>();
        while (_ready.Count > 0)
            kept.Add(_ready.Take());
        foreach (QueueEntry entry in kept.Where(entry => entry.Message.Properties.IsPersistent))
        {
            entry.Redelivered |= crashed;
            _ready.Append(entry);
        }
    }

    private bool IsFull(int more, int moreBytes, double share = 1) =>
        Arguments.MaxLength is { } length && ReadyCount + more > (long)(length * share)
        || Arguments.MaxLengthBytes is { } bytes && _ready.Bytes + moreBytes > (long)(bytes * share);

    /// <summary>A consumer has it no more; false when none had it.</summary>
    private bool GiveUp(QueueEntry entry)
    {
        if (!Unacked.Remove(entry))
            return false;
        _unackedBytes -= entry.Message.HeldBytes;
        return true;
    }

    /// <summary>
    /// A quorum queue refuses only after a message took it above its limit, and until it is down to four fifths of it:
    /// the limit is soft.
    /// </summary>
    private bool IsStillOverLimit()
    {
        return _isOverLimit &= IsFull(0, 0, share: 0.8);
    }

    private void DropOverflow()
    {
        if (Arguments.RejectsPublish)
            return;
        while (_ready.Count > 0 && IsFull(0, 0))
            DeadLetter(_ready.Take(), "maxlen");
    }
}
