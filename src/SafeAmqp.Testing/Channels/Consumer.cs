using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Channels;

/// <summary>One consumer of one queue on one channel.</summary>
internal sealed class Consumer(
    Channel channel, string tag, BrokerQueue? queue, bool noAck, bool exclusive, int prefetch,
    Dictionary<string, object?> arguments)
{
    public Channel Channel => channel;

    public string Tag => tag;

    /// <summary>Null for the pseudo queue of direct replies.</summary>
    public BrokerQueue? Queue => queue;

    public bool NoAck => noAck;

    public bool Exclusive => exclusive;

    public Dictionary<string, object?> Arguments => arguments;

    public long Priority { get; } = FieldTable.Integer(arguments.GetValueOrDefault("x-priority")) ?? 0;

    /// <summary>At most so many unsettled messages; 0 is no limit.</summary>
    public int Prefetch => prefetch;

    public int Unacked { get; set; }

    /// <summary>It is given messages: always, except where single active consumer lets it wait.</summary>
    public bool IsActive { get; set; }

    /// <summary>It was found unable to take a message, and has to say when it can.</summary>
    public bool IsWaiting { get; set; }

    public bool IsCancelled { get; set; }

    /// <summary>Something can be sent to it.</summary>
    public bool CanReceive => !IsCancelled && channel.Connection.TakesDeliveries;

    public bool CanTake => CanReceive && channel.HasRoom
        && (noAck || prefetch == 0 || Unacked < prefetch);

    public void Deliver(QueueEntry entry) => channel.Deliver(this, entry);
}
