using SafeAmqp.Actor;

namespace SafeAmqp.Topology;

// Over which the broker closed a connection: it is not declared again before somebody asks for it anew, and bindings
// that name it wait with it. Each link would lose its connection over it otherwise.
internal sealed partial class TopologyLedger
{
    private readonly List<TopologyItem> _suspects = [];
    private readonly List<(TopologyItem Item, CloseReason End)> _refused = [];
    private volatile IReadOnlyList<string> _toldRefused = [];

    /// <summary>What is left out, each with the reason.</summary>
    internal IReadOnlyList<string> Refused => _toldRefused;

    /// <summary>A link ended while an entity was under way, and nothing else tells why.</summary>
    /// <returns>Whether one had before.</returns>
    internal bool IsSuspectAgain(TopologyItem item)
    {
        lock (_gate)
        {
            if (_suspects.RemoveAll(item.IsSameAs) > 0)
                return true;
            _suspects.Add(item);
            return false;
        }
    }

    /// <summary>It was answered, so it ended no link.</summary>
    internal void Acquit(TopologyItem item)
    {
        lock (_gate)
            _suspects.RemoveAll(item.IsSameAs);
    }

    /// <summary>Leaves out what was declared like this before.</summary>
    internal void Refuse(TopologyItem item, CloseReason end)
    {
        lock (_gate)
        {
            if (Find(item)?.Value.Equals(item) != true)
                return; // it was never accepted like this
            _refused.RemoveAll(known => known.Item.IsSameAs(item));
            _refused.Add((item, end));
            TellRefused();
        }
    }

    private bool Readmit(TopologyItem item)
    {
        if (_refused.RemoveAll(known => known.Item.IsSameAs(item)) == 0)
            return false;
        TellRefused();
        return true;
    }

    private void TellRefused()
        => _toldRefused = [.. _refused.Select(known => $"{known.Item.Key}: {known.End.Describe()}")];

    private bool IsLeftOut(TopologyItem item)
        => _refused.Exists(known => known.Item.IsSameAs(item) || (item, known.Item) switch
        {
            (TopologyItem.Binding { Value: var binding }, TopologyItem.Exchange { Value.Name: var exchange })
                => binding.Exchange == exchange || binding.ToExchange == exchange,
            (TopologyItem.Binding { Value.Queue: var queue }, TopologyItem.Queue { Value.Name: var name })
                => queue == name,
            _ => false,
        });

    private IReadOnlyList<TopologyItem> BindingsOf(TopologyItem item) => item switch
    {
        TopologyItem.Exchange { Value.Name: var name } => [.. BindingsOf(isQueue: false, name).Select(Value)],
        TopologyItem.Queue { Value.Name: var name } => [.. BindingsOf(isQueue: true, name).Select(Value)],
        _ => [],
    };

    private static TopologyItem Value(LinkedListNode<TopologyItem> node) => node.Value;
}
