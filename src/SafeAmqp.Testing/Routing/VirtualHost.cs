using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Routing;

/// <summary>One virtual host: its exchanges, its queues, and the rules about their names.</summary>
internal sealed class VirtualHost
{
    private readonly Dictionary<IDestination, List<Binding>> _towards = [];

    public VirtualHost(string name, BrokerState broker)
    {
        Name = name;
        Broker = broker;
        Router = new Router(this);
        Reset();
    }

    public string Name { get; }

    public BrokerState Broker { get; }

    public Router Router { get; }

    public Dictionary<string, Exchange> Exchanges { get; } = [];

    public Dictionary<string, BrokerQueue> Queues { get; } = [];

    /// <summary>Consumers of direct replies by the token in their address (RabbitMQ's direct reply-to).</summary>
    public Dictionary<string, Channel> DirectReplies { get; } = [];

    public Exchange Exchange(string name) => Exchanges.TryGetValue(name, out Exchange? exchange)
        ? exchange
        : throw AmqpError.NotFound("exchange", name, Name);

    public BrokerQueue Queue(string name)
        => Queues.TryGetValue(name, out BrokerQueue? queue) ? queue : throw AmqpError.NotFound("queue", name, Name);

    public void Bind(Binding binding)
    {
        if (!binding.Source.Bind(binding))
            return;
        if (!_towards.TryGetValue(binding.Destination, out List<Binding>? bindings))
            _towards[binding.Destination] = bindings = [];
        bindings.Add(binding);
    }

    /// <summary>Unknown bindings are no error (RabbitMQ, unlike 50.50).</summary>
    public void Unbind(Binding binding)
    {
        if (!binding.Source.Unbind(binding))
            return;
        _towards[binding.Destination]
            .RemoveAll(other => ReferenceEquals(other.Source, binding.Source) && other.IsSame(binding));
        DeleteIfUnused(binding.Source);
    }

    public void Remove(BrokerQueue queue)
    {
        Queues.Remove(queue.Name);
        queue.Owner?.ExclusiveQueues.Remove(queue);
        Forget(queue);
    }

    public void Remove(Exchange exchange)
    {
        Exchanges.Remove(exchange.Name);
        foreach (Binding binding in exchange.Bindings)
            if (_towards.TryGetValue(binding.Destination, out List<Binding>? bindings))
                bindings.Remove(binding);
        Forget(exchange);
    }

    /// <summary>A restart: what was not durable is gone, with everything that refers to it.</summary>
    public void Restart(bool crashed)
    {
        foreach (BrokerQueue queue in Queues.Values.ToArray())
        {
            if (!queue.Durable || queue.Owner is not null) queue.Delete(notify: false);
            else queue.Restart(crashed);
        }
        foreach (Exchange exchange in Exchanges.Values.Where(exchange => !exchange.Durable).ToArray())
            Remove(exchange);
        DirectReplies.Clear();
    }

    /// <summary>The broker is up: the queues' times to live start anew.</summary>
    public void Started()
    {
        foreach (BrokerQueue queue in Queues.Values)
            queue.Touch();
    }

    private void Reset()
    {
        Add("", "direct");
        foreach (string type in BindingTable.Types)
            Add($"amq.{type}", type);
        Add("amq.match", "headers");
        // RabbitMQ's tracer and log exchanges are there although nothing is ever published to them here.
        Add("amq.rabbitmq.trace", "topic", isInternal: true);

        void Add(string name, string type, bool isInternal = false) =>
            Exchanges[name] = new Exchange(name, type, true, false, isInternal, [], Broker.Rules);
    }

    private void Forget(IDestination destination)
    {
        if (!_towards.Remove(destination, out List<Binding>? bindings))
            return;
        foreach (Binding binding in bindings.ToArray())
        {
            binding.Source.Unbind(binding);
            DeleteIfUnused(binding.Source);
        }
    }

    /// <summary>An auto-delete exchange goes with its last binding (40.10).</summary>
    private void DeleteIfUnused(Exchange exchange)
    {
        if (exchange.AutoDelete && exchange.Bindings.Count == 0
            && Exchanges.GetValueOrDefault(exchange.Name) == exchange)
            Remove(exchange);
    }
}
