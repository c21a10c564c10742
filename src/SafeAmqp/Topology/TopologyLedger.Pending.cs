using System.Collections;
using SafeAmqp.Actor;

namespace SafeAmqp.Topology;

// What is being declared on either link, which publishes wait for. And that over which the broker closed a connection:
// it is not declared again before somebody asks for it anew, and bindings that name it wait with it. Each link would
// lose its connection over it otherwise.
internal sealed partial class TopologyLedger
{
    // By what it could route: an exchange and the bindings from it by the exchange's name, a queue by its own.
    private readonly Dictionary<(bool IsQueue, string Name), List<(object By, TopologyItem Item)>> _underWay = [];
    private int _underWayCount; // read without the lock
    private int _ends;

    /// <summary>Called by any thread when something is no longer under way.</summary>
    internal Action? Ended { get; set; }

    /// <summary>How often something ended that was under way.</summary>
    internal int Changes => Volatile.Read(ref _ends);

    /// <summary>From now on publishes wait for what of these could route them.</summary>
    /// <param name="requests">What is asked, and what <see cref="End(object, AdminRequest)"/> knows it by.</param>
    /// <param name="isBack">Whether they have to be declared although they were before.</param>
    internal void Begin(IReadOnlyList<AdminRequest> requests, bool isBack = false)
    {
        lock (_gate)
        {
            foreach (TopologyItem item in requests.OfType<TopologyItem>())
            {
                if (RouteOf(item) is not { } route || (!isBack && Find(item) is not null && !IsLeftOut(item)))
                    continue;
                if (!_underWay.TryGetValue(route, out var waiting))
                    _underWay.Add(route, waiting = []);
                waiting.Add((requests, item));
                Volatile.Write(ref _underWayCount, _underWayCount + 1);
            }
        }
    }

    /// <summary>One of them was declared, refused or given up.</summary>
    internal void End(object by, AdminRequest request) => End(by, [request]);

    /// <summary>All that is left of them.</summary>
    internal void End(IReadOnlyList<AdminRequest> requests) => End(requests, requests);

    /// <summary>What is under way and could route a message; null when nothing is.</summary>
    internal TopologyItem? Awaited(AmqpMessage message)
    {
        if (Volatile.Read(ref _underWayCount) == 0)
            return null;
        lock (_gate)
        {
            return RoutingKeysOf(message)
                .Select(key => message.Exchange.Length == 0 ? UnderWay((true, key)).FirstOrDefault()
                    : AwaitedFrom(message.Exchange, key, []))
                .FirstOrDefault(item => item is not null);
        }
    }

    private void End(object by, IReadOnlyList<AdminRequest> requests)
    {
        int before = Volatile.Read(ref _underWayCount);
        if (before == 0)
            return;
        lock (_gate)
        {
            before = _underWayCount;
            foreach (TopologyItem item in requests.OfType<TopologyItem>())
            {
                if (RouteOf(item) is not { } route || !_underWay.TryGetValue(route, out var waiting)
                    || waiting.FindIndex(entry => entry.By == by && entry.Item == item) is not (>= 0 and var index))
                    continue;
                waiting.RemoveAt(index);
                if (waiting.Count == 0)
                    _underWay.Remove(route);
                Volatile.Write(ref _underWayCount, _underWayCount - 1);
            }
            if (_underWayCount == before)
                return;
            Volatile.Write(ref _ends, _ends + 1);
        }
        Ended?.Invoke();
    }

    private IEnumerable<TopologyItem> UnderWay((bool IsQueue, string Name) route)
        => _underWay.TryGetValue(route, out var waiting) ? waiting.Select(entry => entry.Item) : [];

    // Also by way of other exchanges, and of queues that are bound already.
    private TopologyItem? AwaitedFrom(string exchange, string key, HashSet<string> seen)
    {
        if (!seen.Add(exchange))
            return null;
        if (UnderWay((false, exchange)).FirstOrDefault(item
            => item is not TopologyItem.Binding { Value: var binding } || MayRoute(binding, key)) is { } found)
            return found;
        IEnumerable<AmqpBinding> known = BindingsOf((false, exchange))
            .Select(node => node.Value).OfType<TopologyItem.Binding>().Select(item => item.Value)
            .Where(binding => binding.Exchange == exchange && MayRoute(binding, key));
        return known.Select(binding => binding.Queue is { } queue ? UnderWay((true, queue)).FirstOrDefault()
                : AwaitedFrom(binding.ToExchange!, key, seen)).FirstOrDefault(item => item is not null)
            ?? (Exchange(exchange)?.Alternate is { } alternate ? AwaitedFrom(alternate, key, seen) : null);
    }

    // Where the type is not known here, and where more than the key counts, any binding may.
    private bool MayRoute(AmqpBinding binding, string key)
        => (Exchange(binding.Exchange)?.Type ?? binding.Exchange) switch
        {
            AmqpExchangeType.Direct or "amq.direct" => binding.RoutingKey == key,
            AmqpExchangeType.Topic or "amq.topic"
                => binding.RoutingKey == key || binding.RoutingKey.AsSpan().ContainsAny('*', '#'),
            _ => true,
        };

    private static IEnumerable<string> RoutingKeysOf(AmqpMessage message) => message.Headers is not { } headers
        ? [message.RoutingKey]
        : [message.RoutingKey, .. MessageCheck.RoutingHeaders.SelectMany(name
            => headers.GetValueOrDefault(name) is IList keys ? keys.OfType<string>() : [])];

    // What only looks whether something is there routes nothing.
    private static (bool IsQueue, string Name)? RouteOf(TopologyItem item)
        => item.IsPassive ? null : item.Entity ?? Ends(item)[0];

    private readonly List<AdminRequest> _suspects = [];
    private readonly List<(TopologyItem Item, CloseReason End)> _refused = [];
    private volatile IReadOnlyList<string> _toldRefused = [];

    /// <summary>What is left out, each with the reason.</summary>
    internal IReadOnlyList<string> Refused => _toldRefused;

    /// <summary>A link ended while an entity was under way, and nothing else tells why.</summary>
    /// <returns>Whether one had before.</returns>
    internal bool IsSuspectAgain(AdminRequest request)
    {
        lock (_gate)
        {
            if (_suspects.RemoveAll(request.IsSameAs) > 0)
                return true;
            _suspects.Add(request);
            return false;
        }
    }

    /// <summary>It was answered, so it ended no link.</summary>
    internal void Acquit(AdminRequest request)
    {
        lock (_gate)
            _suspects.RemoveAll(request.IsSameAs);
    }

    /// <summary>Leaves out what was declared like this before.</summary>
    internal void Refuse(AdminRequest request, CloseReason end)
    {
        lock (_gate)
        {
            if (request is not TopologyItem item || Find(item)?.Value.Equals(item) != true)
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
        => _refused.Exists(known => known.Item.IsSameAs(item)
            || (known.Item.Entity is { } refused && Ends(item).Contains(refused)));
}
