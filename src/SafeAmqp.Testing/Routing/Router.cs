using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Routing;

/// <summary>
/// Finds the queues of a message: bindings, exchanges behind exchanges, alternate exchanges. One instance, used in the
/// loop.
/// </summary>
internal sealed class Router(VirtualHost host)
{
    private readonly List<Binding> _matches = [];
    private readonly List<BrokerQueue> _queues = [];
    private readonly Queue<Exchange> _open = new();
    private long _visit;

    /// <summary>
    /// The queues, each once, in the order in which they were found. The list is reused by the next call.
    /// </summary>
    public List<BrokerQueue> Route(Exchange start, Message message)
    {
        _queues.Clear();
        _visit++;
        Visit(start);
        while (_open.TryDequeue(out Exchange? exchange))
        {
            if (exchange.Name.Length == 0)
            {
                // Every queue is bound to the default exchange with its name (3.1.3.1).
                foreach (string key in message.RoutingKeys)
                    if (host.Queues.TryGetValue(key, out BrokerQueue? named))
                        Reach(named);
                continue;
            }
            _matches.Clear();
            foreach (string key in message.RoutingKeys)
                exchange.Match(message, key, _matches);
            foreach (Binding match in _matches)
            {
                if (match.Destination is BrokerQueue queue) Reach(queue);
                else Visit((Exchange)match.Destination);
            }
            if (_matches.Count == 0 && exchange.Alternate is { } alternate
                && host.Exchanges.TryGetValue(alternate, out Exchange? other))
                Visit(other);
        }
        return _queues;
    }

    private void Visit(Exchange exchange)
    {
        if (exchange.Visit == _visit)
            return;
        exchange.Visit = _visit;
        _open.Enqueue(exchange);
    }

    private void Reach(BrokerQueue queue)
    {
        if (queue.Visit == _visit)
            return;
        queue.Visit = _visit;
        _queues.Add(queue);
    }
}
