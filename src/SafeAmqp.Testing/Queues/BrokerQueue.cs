using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Queues;

/// <summary>A queue: messages that wait, messages that are out with consumers, and the consumers.</summary>
internal sealed partial class BrokerQueue(
    VirtualHost host, string name, bool durable, bool autoDelete, Connection? owner, QueueArguments arguments)
    : IDestination
{
    private readonly ReadyList _ready = new(arguments.MaxPriority, arguments.HasQuorumPriorities);
    private readonly BrokerLoop _loop = host.Broker.Loop;
    private long _nextPosition;
    private bool _isTakingNew;
    private bool _isOverLimit;
    private long _unackedBytes;
    private LoopTimers.Entry? _unusedTimer;
    private LoopTimers.Entry? _ttlTimer;
    private long _ttlDue = long.MaxValue;

    public string Name => name;

    public VirtualHost Host => host;

    public bool Durable => durable;

    public bool AutoDelete => autoDelete;

    /// <summary>The connection that an exclusive queue belongs to.</summary>
    public Connection? Owner => owner;

    public QueueArguments Arguments => arguments;

    public long Visit { get; set; }

    public bool IsDeleted { get; private set; }

    public int ReadyCount => _ready.Count;

    public IEnumerable<QueueEntry> Ready => _ready.All;

    /// <summary>Octets of all bodies here, waiting or out.</summary>
    public long HeldBytes => _ready.Bytes + _unackedBytes;

    /// <summary>Messages that consumers have and did not settle.</summary>
    public HashSet<QueueEntry> Unacked { get; } = [];

    /// <summary>Its name in an array, for the history: one for all messages.</summary>
    public string[] NameList { get; } = [name];

    /// <summary>Takes a message in; false when the queue is full and refuses (x-overflow: reject-publish).</summary>
    public bool Publish(Message message)
    {
        if (arguments.RejectsPublish && (arguments.IsQuorum ? IsStillOverLimit() : IsFull(1, message.Size)))
        {
            if (arguments.DeadLettersRejected)
                DeadLetter(new QueueEntry(message, 0), "maxlen");
            return false;
        }
        var entry = new QueueEntry(message, _nextPosition++)
        {
            ExpiresAt = ExpiryOf(message),
            Redelivered = arguments.ShowsRejections && message.Rejections > 0,
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
        _isOverLimit = arguments.IsQuorum && arguments.RejectsPublish && IsFull(0, 0);
        return true;
    }

    /// <summary>
    /// Takes the first message out; it stays unacknowledged unless the receiver does not acknowledge.
    /// </summary>
    public QueueEntry? Take(bool noAck)
    {
        if (!_isTakingNew)
            Expire();
        if (_ready.Count == 0)
            return null;
        QueueEntry entry = _ready.Take();
        if (!noAck)
        {
            Unacked.Add(entry);
            _unackedBytes += entry.Message.Size;
        }
        ArmExpiry();
        return entry;
    }

    public void Acknowledge(QueueEntry entry) => GiveUp(entry);

    /// <summary>Gives messages back to where they stood; the last one first, so that the order survives.</summary>
    public void Requeue(QueueEntry entry, bool counts = true)
    {
        if (!GiveUp(entry) || IsDeleted)
            return;
        entry.Redelivered = true;
        if (counts)
            entry.DeliveryCount++;
        if (counts && arguments.DeliveryLimit is { } limit && entry.DeliveryCount > limit)
        {
            DeadLetter(entry, "delivery_limit");
            return;
        }
        // A quorum queue puts a returned message at its end; one with a delivery limit gives the returned ones out
        // before all others.
        if (!arguments.IsQuorum) _ready.Return(entry);
        else if (arguments.DeliveryLimit is null) _ready.Append(entry);
        else _ready.ReturnFirst(entry);
    }

    /// <summary>After returns: what may go out or must go away now.</summary>
    public void Settled()
    {
        if (IsDeleted)
            return;
        Dispatch();
        Expire();
        DropOverflow();
    }

    public void Reject(QueueEntry entry)
    {
        if (GiveUp(entry))
            DeadLetter(entry, "rejected");
    }

    public int Purge()
    {
        int count = ReadyCount;
        while (_ready.Count > 0)
            _ready.Take();
        return count;
    }

    /// <summary>
    /// Takes itself away: bindings, consumers (who are told), messages. Deleted messages are not dead-lettered.
    /// </summary>
    public int Delete(bool notify = true)
    {
        if (IsDeleted)
            return 0;
        IsDeleted = true;
        int count = ReadyCount;
        _unusedTimer?.Cancel();
        _ttlTimer?.Cancel();
        host.Remove(this);
        foreach (Consumer consumer in Consumers.ToArray())
            consumer.Channel.QueueGone(consumer, notify);
        Consumers.Clear();
        _active.Clear();
        return count;
    }

    /// <summary>
    /// The broker was stopped: persistent messages come back as redelivered, transient ones are gone, consumers too.
    /// </summary>
    public void Restart()
    {
        foreach (QueueEntry entry in Unacked.OrderByDescending(entry => entry.Position).ToArray())
            Requeue(entry, counts: arguments.IsQuorum);
        Consumers.Clear();
        _active.Clear();
        if (arguments.IsQuorum)
            return;
        var kept = new List<QueueEntry>();
        while (_ready.Count > 0)
            kept.Add(_ready.Take());
        foreach (QueueEntry entry in kept.Where(entry => entry.Message.Properties.IsPersistent))
            _ready.Append(entry);
    }

    public void CheckAccess(Connection connection)
    {
        if (owner is not null && owner != connection)
            throw Locked();
    }

    public AmqpError Locked() => new(ReplyCode.ResourceLocked,
        $"cannot obtain exclusive access to locked queue '{name}' in vhost '{host.Name}'. It could be "
            + "originally declared on another connection or the exclusive property value does not match that of "
            + "the original declaration.");

    private bool IsFull(int more, int moreBytes, double share = 1) =>
        arguments.MaxLength is { } length && ReadyCount + more > (long)(length * share)
        || arguments.MaxLengthBytes is { } bytes && _ready.Bytes + moreBytes > (long)(bytes * share);

    /// <summary>A consumer has it no more; false when none had it.</summary>
    private bool GiveUp(QueueEntry entry)
    {
        if (!Unacked.Remove(entry))
            return false;
        _unackedBytes -= entry.Message.Size;
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
        if (arguments.RejectsPublish)
            return;
        while (_ready.Count > 0 && IsFull(0, 0))
            DeadLetter(_ready.Take(), "maxlen");
    }
}
