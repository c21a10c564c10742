using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Queues;

/// <summary>A queue of any type: its name and which connection may use it, its consumers, and its end.</summary>
internal abstract class BrokerQueue(
    VirtualHost host, string name, bool durable, bool autoDelete, Connection? owner, QueueArguments arguments)
    : IDestination
{
    public string Name => name;

    public VirtualHost Host => host;

    public bool Durable => durable;

    public bool AutoDelete => autoDelete;

    /// <summary>The connection that an exclusive queue belongs to.</summary>
    public Connection? Owner => owner;

    public QueueArguments Arguments => arguments;

    public long Visit { get; set; }

    public bool IsDeleted { get; private set; }

    public List<Consumer> Consumers { get; } = [];

    /// <summary>Messages that consumers have and did not settle.</summary>
    public HashSet<QueueEntry> Unacked { get; } = [];

    /// <summary>Its name in an array, for the history: one for all messages.</summary>
    public string[] NameList { get; } = [name];

    public abstract int ReadyCount { get; }

    public abstract IEnumerable<QueueEntry> Ready { get; }

    /// <summary>Octets of all messages here, waiting or out.</summary>
    public abstract long HeldBytes { get; }

    /// <summary>What a declaration is told: messages and consumers.</summary>
    public virtual (int Messages, int Consumers) Counts => (ReadyCount, Consumers.Count);

    /// <summary>"queue 'q' in vhost '/'", as reply texts name it.</summary>
    protected string Description => $"queue '{name}' in vhost '{host.Name}'";

    protected BrokerLoop Loop => host.Broker.Loop;

    protected VersionRules Rules => host.Broker.Rules;

    /// <summary>Takes a message in; false when the queue is full and refuses (x-overflow: reject-publish).</summary>
    public abstract bool Publish(Message message);

    /// <summary>
    /// Takes the first message out; it stays unacknowledged unless the receiver does not acknowledge.
    /// </summary>
    public abstract QueueEntry? Take(bool noAck);

    public abstract void Acknowledge(QueueEntry entry);

    /// <summary>Takes a message back that was given back, or whose receiver is gone.</summary>
    public abstract void Requeue(QueueEntry entry, bool isLost);

    public abstract void Reject(QueueEntry entry);

    /// <summary>After returns: what may go out or must go away now.</summary>
    public abstract void Settled();

    public abstract int Purge();

    /// <exception cref="AmqpError">The queue does not take such a consumer.</exception>
    public abstract void Add(Consumer consumer);

    public abstract void Remove(Consumer consumer);

    /// <summary>A consumer has room again.</summary>
    public abstract void Unblock(Consumer consumer);

    /// <summary>Hands out what waits to the consumers that can take it.</summary>
    public abstract void Dispatch();

    /// <summary>The broker was stopped, or crashed: what is not kept is gone, consumers too.</summary>
    public abstract void Restart(bool crashed);

    /// <exception cref="AmqpError">It is to be deleted only without consumers, or only without messages.</exception>
    public virtual void CheckDelete(bool ifUnused, bool ifEmpty)
    {
        if (arguments.IsQuorum && (ifUnused || ifEmpty))
        {
            string text = $"cannot delete {Description}. queue.delete operations with "
                + $"{(ifUnused ? "if-unused" : "if-empty")} flag set are not supported by quorum queues";
            throw new AmqpError(ReplyCode.NotImplemented, text);
        }
        if (ifUnused && Consumers.Count > 0)
            throw AmqpError.Precondition($"{Description} in use");
        if (ifEmpty && ReadyCount > 0)
            throw AmqpError.Precondition($"{Description} not empty");
    }

    /// <exception cref="AmqpError">Its messages go to consumers only.</exception>
    public virtual void CheckGet()
    {
    }

    /// <exception cref="AmqpError">Its messages cannot be given back or rejected.</exception>
    public virtual void CheckRefusal()
    {
    }

    /// <summary>The queue was used: its time to live starts anew (x-expires).</summary>
    public virtual void Touch()
    {
    }

    /// <summary>
    /// Takes itself away: bindings, consumers (which are told), messages. Deleted messages are not dead-lettered.
    /// </summary>
    public int Delete(bool notify = true)
    {
        if (IsDeleted)
            return 0;
        IsDeleted = true;
        int count = Counts.Messages;
        host.Remove(this);
        foreach (Consumer consumer in Consumers.ToArray())
            consumer.Channel.QueueGone(consumer, notify);
        Consumers.Clear();
        Deleted();
        return count;
    }

    public void CheckAccess(Connection connection)
    {
        if (owner is not null && owner != connection)
            throw Locked();
    }

    public AmqpError Locked() => new(ReplyCode.ResourceLocked,
        $"cannot obtain exclusive access to locked {Description}. It could be originally declared on "
            + "another connection or the exclusive property value does not match that of the original declaration.");

    /// <summary>It has no consumers any more, and nothing leads to it.</summary>
    protected virtual void Deleted()
    {
    }
}
