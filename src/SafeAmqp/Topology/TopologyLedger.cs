using SafeAmqp.Actor;

namespace SafeAmqp.Topology;

/// <summary>The desired state: what was declared with success, in order, to be declared again on each new link. One for
/// both links of a client, so that whichever comes up first puts shared entities back.</summary>
internal sealed class TopologyLedger
{
    private readonly Lock _gate = new();
    private readonly List<TopologyItem> _items = [];

    internal void Remember(TopologyItem item)
    {
        lock (_gate)
        {
            int known = _items.FindIndex(item.IsSameAs);
            if (known >= 0)
                _items[known] = item;
            else
                _items.Add(item);
        }
    }

    /// <summary>What a link declares when it comes up. An exclusive queue and its bindings belong to the link that
    /// consumes.</summary>
    internal IReadOnlyList<TopologyItem> ForLink(bool ownsExclusive)
    {
        lock (_gate)
            return [.. _items.Where(item => ownsExclusive || !IsExclusive(item))];
    }

    /// <summary>A queue with its bindings and the exchanges that those name, to put back what a broker lost while the
    /// link stayed up.</summary>
    internal IReadOnlyList<TopologyItem> OfQueue(string queue)
    {
        lock (_gate)
        {
            if (!_items.Any(item => item is TopologyItem.Queue known && known.Value.Name == queue))
                return [];
            var bindings = _items.OfType<TopologyItem.Binding>().Where(item => item.Value.Queue == queue).ToList();
            return [.. _items.Where(item => item switch
            {
                TopologyItem.Queue known => known.Value.Name == queue,
                TopologyItem.Binding binding => bindings.Contains(binding),
                TopologyItem.Exchange exchange
                    => bindings.Any(binding => binding.Value.Exchange == exchange.Value.Name),
                _ => false,
            })];
        }
    }

    /// <summary>Tells apart what any link can declare and what only the link that consumes may.</summary>
    internal (IReadOnlyList<TopologyItem> Shared,
        IReadOnlyList<TopologyItem> Exclusive) Split(IReadOnlyList<TopologyItem> items)
    {
        lock (_gate)
            return ([.. items.Where(item => !IsExclusive(item, items))],
                [.. items.Where(item => IsExclusive(item, items))]);
    }

    // An exclusive queue, or a binding of one that is known or among those alongside.
    private bool IsExclusive(TopologyItem item, IReadOnlyList<TopologyItem>? alongside = null) => item switch
    {
        TopologyItem.Queue queue => queue.Value.Exclusive,
        TopologyItem.Binding { Value.Queue: { } queue }
            => Exclusive(_items, queue) || (alongside is not null && Exclusive(alongside, queue)),
        _ => false,
    };

    private static bool Exclusive(IEnumerable<TopologyItem> items, string queue)
        => items.Any(item => item is TopologyItem.Queue known && known.Value.Name == queue && known.Value.Exclusive);
}
