using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Channels;

/// <summary>One consumer of one queue on one channel.</summary>
internal sealed class Consumer(
    Channel channel, string tag, BrokerQueue? queue, bool noAck, bool exclusive, long priority, int prefetch)
{
    public Channel Channel => channel;

    public string Tag => tag;

    /// <summary>Null for the pseudo queue of direct replies.</summary>
    public BrokerQueue? Queue => queue;

    public bool NoAck => noAck;

    public bool Exclusive => exclusive;

    public long Priority => priority;

    /// <summary>At most so many unsettled messages; 0 is no limit.</summary>
    public int Prefetch => prefetch;

    public int Unacked { get; set; }

    /// <summary>It is given messages: always, except where single active consumer lets it wait.</summary>
    public bool IsActive { get; set; }

    /// <summary>It was found unable to take a message, and has to say when it can.</summary>
    public bool IsWaiting { get; set; }

    public bool IsCancelled { get; set; }

    public bool CanTake => !IsCancelled && channel.Connection.TakesDeliveries && channel.HasRoom
        && (noAck || prefetch == 0 || Unacked < prefetch);

    public void Deliver(QueueEntry entry) => channel.Deliver(this, entry);
}
