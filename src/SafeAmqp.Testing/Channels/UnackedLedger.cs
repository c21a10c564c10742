using System.Diagnostics.CodeAnalysis;
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
    private Delivery? _last;

    public Delivery? Oldest { get; private set; }

    public int Count => _byTag.Count;

    public void Add(Delivery delivery)
    {
        _byTag.Add(delivery.Tag, delivery);
        delivery.Previous = _last;
        if (_last is null) Oldest = delivery;
        else _last.Next = delivery;
        _last = delivery;
    }

    /// <summary>The newest that a tag settles; null when it is of none.</summary>
    public Delivery? Find(ulong tag) => tag == 0 ? _last : _byTag.GetValueOrDefault(tag);

    public bool TryTake(ulong tag, [MaybeNullWhen(false)] out Delivery delivery)
    {
        if (!_byTag.Remove(tag, out delivery))
            return false;
        if (delivery.Previous is null) Oldest = delivery.Next;
        else delivery.Previous.Next = delivery.Next;
        if (delivery.Next is null) _last = delivery.Previous;
        else delivery.Next.Previous = delivery.Previous;
        return true;
    }

    /// <summary>All up to a tag in order of delivery; tag 0 means all there are (60.80).</summary>
    public List<Delivery> TakeUpTo(ulong tag)
    {
        var taken = new List<Delivery>();
        while (Oldest is { } oldest && (tag == 0 || oldest.Tag <= tag) && TryTake(oldest.Tag, out _))
            taken.Add(oldest);
        return taken;
    }

    /// <summary>
    /// Everything, the newest first: given back in this order each finds its place in front of the one before.
    /// </summary>
    public List<Delivery> TakeAll()
    {
        List<Delivery> taken = TakeUpTo(0);
        taken.Reverse();
        return taken;
    }
}
