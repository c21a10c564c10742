using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Channels;

/// <summary>A message that a channel has and did not settle.</summary>
internal sealed class Delivery(ulong tag, QueueEntry entry, BrokerQueue queue, Consumer? consumer, long at)
{
    public ulong Tag => tag;

    public QueueEntry Entry => entry;

    public BrokerQueue Queue => queue;

    /// <summary>Null for a message that basic.get took.</summary>
    public Consumer? Consumer => consumer;

    /// <summary>When it was delivered, in milliseconds of the loop's clock.</summary>
    public long At => at;

    public Delivery? Previous { get; set; }

    public Delivery? Next { get; set; }
}

/// <summary>The unsettled deliveries of a channel by tag, and in order of tag for settling many at once.</summary>
internal sealed class UnackedLedger
{
    private readonly Dictionary<ulong, Delivery> _byTag = [];

    public Delivery? Oldest { get; private set; }

    public Delivery? Newest { get; private set; }

    public void Add(Delivery delivery)
    {
        _byTag.Add(delivery.Tag, delivery);
        delivery.Previous = Newest;
        if (Newest is null) Oldest = delivery;
        else Newest.Next = delivery;
        Newest = delivery;
    }

    public Delivery? Find(ulong tag) => _byTag.GetValueOrDefault(tag);

    /// <summary>All up to a tag in order of delivery; tag 0 means all there are (60.80).</summary>
    public List<Delivery> UpTo(ulong tag)
    {
        var found = new List<Delivery>();
        for (Delivery? next = Oldest; next is not null && (tag == 0 || next.Tag <= tag); next = next.Next)
            found.Add(next);
        return found;
    }

    public void Remove(Delivery delivery)
    {
        _byTag.Remove(delivery.Tag);
        if (delivery.Previous is null) Oldest = delivery.Next;
        else delivery.Previous.Next = delivery.Next;
        if (delivery.Next is null) Newest = delivery.Previous;
        else delivery.Next.Previous = delivery.Previous;
    }
}
