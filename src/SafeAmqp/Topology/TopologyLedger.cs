using SafeAmqp.Actor;

namespace SafeAmqp.Topology;

/// <summary>The desired state: what was declared with success, in order, to be declared again on each new link. One for
/// both links of a client, so that whichever comes up first puts shared entities back.</summary>
/// <remarks>What goes at the broker by itself is forgotten here: an auto-delete queue with this client's last consumer
/// of it, one that expires after that time without use, an auto-delete exchange with its last binding. How such a queue
/// was declared is kept for a while, so that its next consumer can put it back.</remarks>
/// <param name="now">The time, in ticks.</param>
internal sealed partial class TopologyLedger(Func<long>? now = null)
{
    /// <summary>How many queues that are gone are kept to be put back: those that went last.</summary>
    internal const int MaxGone = 1000;
    private const int LookEvery = 1000;

    private readonly Lock _gate = new();
    private readonly LinkedList<TopologyItem> _items = [];
    private readonly Dictionary<(bool IsQueue, string Name), LinkedListNode<TopologyItem>> _entities = [];
    private readonly Dictionary<(bool IsQueue, string Name), List<LinkedListNode<TopologyItem>>> _bindings = [];
    private readonly Dictionary<string, QueueUse> _uses = [];
    private readonly OrderedDictionary<string, IReadOnlyList<TopologyItem>> _gone = [];
    private int _added;

    /// <summary>How a queue was declared; null when it was not.</summary>
    internal AmqpQueue? QueueNamed(string name)
    {
        lock (_gate)
            return Queue(name);
    }

    /// <summary>Whether an entity is still wanted.</summary>
    internal bool Knows(TopologyItem item)
    {
        lock (_gate)
            return Find(item) is not null;
    }

    /// <summary>It was declared with success.</summary>
    /// <returns>The bindings that were left out with it, and can be declared again.</returns>
    internal IReadOnlyList<TopologyItem> Remember(TopologyItem item)
    {
        lock (_gate)
        {
            Add(item);
            if (item is TopologyItem.Queue { Value.Name: var name })
            {
                _gone.Remove(name);
                Use(name).UnusedSince = Now;
                if (++_added % LookEvery == 0)
                    ForgetExpired(); // so that what expires is not kept for want of a lost link
            }
            return Readmit(item) && item.Entity is { } entity
                ? [.. BindingsOf(entity).Select(binding => binding.Value)] : [];
        }
    }

    /// <summary>Forgets an entity, and what went with it.</summary>
    internal IReadOnlyList<TopologyItem> Forget(TopologyItem item)
    {
        lock (_gate)
        {
            var forgotten = new List<TopologyItem>();
            if (Find(item) is { } node && !item.YieldsTo(node.Value))
                Remove(node, forgotten);
            if (item is TopologyItem.Queue { Value.Name: var name })
                _gone.Remove(name);
            return forgotten;
        }
    }

    /// <summary>A consumer of a queue begins.</summary>
    /// <returns>Whether the queue is gone and has to be declared again first.</returns>
    internal bool Used(string queue)
    {
        lock (_gate)
        {
            if (IsExpired(queue))
                SetGone(queue);
            Use(queue).Consumers++;
            if (!_gone.Remove(queue, out IReadOnlyList<TopologyItem>? items))
                return false;
            foreach (TopologyItem item in items)
                Add(item);
            return true;
        }
    }

    /// <summary>The broker answered for a queue, which it counts as a use.</summary>
    internal void Touched(string queue)
    {
        lock (_gate)
        {
            if (Queue(queue) is not null)
                Use(queue).UnusedSince = Now;
        }
    }

    /// <summary>A consumer of a queue has ended.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="wasLive">Whether the broker had ever confirmed the consumer.</param>
    /// <returns>What is forgotten with it.</returns>
    internal IReadOnlyList<TopologyItem> Left(string queue, bool wasLive)
    {
        lock (_gate)
        {
            QueueUse use = Use(queue);
            use.Consumers--;
            use.WasConsumed |= wasLive;
            use.UnusedSince = Now;
            if (use.Consumers > 0)
                return [];
            if (Queue(queue) is { } known)
                return use.WasConsumed && known.AutoDelete ? SetGone(queue) : [];
            _uses.Remove(queue);
            return [];
        }
    }

    /// <summary>What a link declares when it comes up. An exclusive queue and its bindings belong to the link that
    /// consumes.</summary>
    internal IReadOnlyList<TopologyItem> ForLink(bool ownsExclusive)
    {
        lock (_gate)
        {
            ForgetExpired();
            return [.. _items.Where(item => (ownsExclusive || !IsExclusive(item, [])) && !IsLeftOut(item))];
        }
    }

    /// <summary>A queue with its bindings and the exchanges that those name, to put back what a broker lost while the
    /// link stayed up.</summary>
    internal IReadOnlyList<TopologyItem> OfQueue(string queue)
    {
        lock (_gate)
        {
            if (!_entities.TryGetValue((true, queue), out LinkedListNode<TopologyItem>? node))
                return [];
            TopologyItem[] bindings = [.. BindingsOf((true, queue)).Select(binding => binding.Value)];
            IEnumerable<TopologyItem> exchanges = bindings.OfType<TopologyItem.Binding>()
                .Select(binding => binding.Value.Exchange).Distinct()
                .Select(name => _entities.GetValueOrDefault((false, name))?.Value).OfType<TopologyItem>();
            return [.. exchanges, node.Value, .. bindings];
        }
    }

    /// <summary>Tells apart what any link can declare and what only the link that consumes may.</summary>
    internal (IReadOnlyList<T> Shared, IReadOnlyList<T> Exclusive) Split<T>(IReadOnlyList<T> requests)
        where T : AdminRequest
    {
        HashSet<string> alongside = [.. requests.Select(Undone).OfType<TopologyItem.Queue>()
            .Where(queue => queue.Value.Exclusive).Select(queue => queue.Value.Name)];
        lock (_gate)
            return ([.. requests.Where(request => !IsExclusive(request, alongside))],
                [.. requests.Where(request => IsExclusive(request, alongside))]);
    }

    private static AdminRequest Undone(AdminRequest asked) => asked is AdminRequest.Deletion gone ? gone.Item : asked;

    // An exclusive queue, in whichever way it is known to be one, or a binding of one.
    private bool IsExclusive(AdminRequest request, HashSet<string> alongside) => Undone(request) switch
    {
        TopologyItem.Queue { Value: var queue } => queue.Exclusive || IsExclusive(queue.Name),
        AdminRequest.Contents { Queue: var queue } => IsExclusive(queue),
        TopologyItem.Binding { Value.Queue: { } queue } => alongside.Contains(queue) || IsExclusive(queue),
        _ => false,
    };

    private bool IsExclusive(string queue) => Queue(queue) is { Exclusive: true };

    private AmqpQueue? Queue(string name)
        => (_entities.GetValueOrDefault((true, name))?.Value as TopologyItem.Queue)?.Value;

    private AmqpExchange? Exchange(string name)
        => (_entities.GetValueOrDefault((false, name))?.Value as TopologyItem.Exchange)?.Value;

    private long Now => now?.Invoke() ?? 0;

    private QueueUse Use(string queue)
    {
        if (!_uses.TryGetValue(queue, out QueueUse? use))
            _uses.Add(queue, use = new QueueUse());
        return use;
    }

    private List<LinkedListNode<TopologyItem>> BindingsOf((bool IsQueue, string Name) entity)
        => _bindings.GetValueOrDefault(entity) ?? [];

    private LinkedListNode<TopologyItem>? Find(TopologyItem item) => item.Entity is { } entity
        ? _entities.GetValueOrDefault(entity)
        : BindingsOf(Ends(item)[1]).Find(other => item.IsSameAs(other.Value));

    private void Add(TopologyItem item)
    {
        if (Find(item) is { } known)
        {
            known.Value = item.YieldsTo(known.Value) ? known.Value : item;
            return;
        }
        LinkedListNode<TopologyItem> node = _items.AddLast(item);
        if (item.Entity is { } entity)
        {
            _entities.Add(entity, node);
            return;
        }
        foreach (var end in Ends(item))
        {
            if (!_bindings.TryGetValue(end, out List<LinkedListNode<TopologyItem>>? nodes))
                _bindings.Add(end, nodes = []);
            nodes.Add(node);
        }
    }

    // Of a binding: from where and to where.
    private static (bool IsQueue, string Name)[] Ends(TopologyItem item) => item is TopologyItem.Binding(var binding)
        ? [(false, binding.Exchange), (binding.Queue is not null, binding.Queue ?? binding.ToExchange!)] : [];

    private void Remove(LinkedListNode<TopologyItem> node, List<TopologyItem> forgotten)
    {
        if (node.List is null)
            return; // by way of another binding
        _items.Remove(node);
        forgotten.Add(node.Value);
        Readmit(node.Value);
        if (node.Value.Entity is { } entity)
        {
            _entities.Remove(entity);
            if (entity.IsQueue && _uses.GetValueOrDefault(entity.Name) is { Consumers: <= 0 })
                _uses.Remove(entity.Name);
            foreach (LinkedListNode<TopologyItem> binding in BindingsOf(entity).ToArray())
                Remove(binding, forgotten);
            return;
        }
        foreach (var end in Ends(node.Value))
        {
            if (_bindings.TryGetValue(end, out List<LinkedListNode<TopologyItem>>? nodes)
                && nodes.Remove(node) && nodes.Count == 0)
                _bindings.Remove(end);
        }
        RemoveWithoutBindings(Ends(node.Value)[0].Name, forgotten);
    }

    // The broker deletes an auto-delete exchange with the last binding from it.
    private void RemoveWithoutBindings(string exchange, List<TopologyItem> forgotten)
    {
        if (Exchange(exchange) is { AutoDelete: true } && !BindingsOf((false, exchange)).Exists(binding
            => Ends(binding.Value)[0].Name == exchange))
            Remove(_entities[(false, exchange)], forgotten);
    }

    private List<TopologyItem> SetGone(string queue)
    {
        IReadOnlyList<TopologyItem> items = OfQueue(queue);
        var forgotten = new List<TopologyItem>();
        Remove(_entities[(true, queue)], forgotten);
        if (_gone.Count == MaxGone)
            _gone.RemoveAt(0);
        _gone[queue] = items;
        return forgotten;
    }

    private void ForgetExpired()
    {
        foreach (var (_, queue) in _entities.Keys.Where(entity => entity.IsQueue && IsExpired(entity.Name)).ToArray())
            SetGone(queue);
    }

    private bool IsExpired(string queue)
        => Queue(queue) is { Expiry: { } expiry }
            && Use(queue) is { Consumers: <= 0, UnusedSince: var since } && Now - since >= expiry.Ticks;

    /// <summary>What this client does with a queue.</summary>
    private sealed class QueueUse
    {
        internal int Consumers { get; set; }

        /// <summary>Whether the broker has confirmed a consumer: without one it does not delete the queue.</summary>
        internal bool WasConsumed { get; set; }

        internal long UnusedSince { get; set; }
    }
}
