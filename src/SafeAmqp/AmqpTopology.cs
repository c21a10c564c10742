namespace SafeAmqp;

/// <summary>Exchanges, queues and bindings to have on the broker. Immutable: each method returns a new one. Once
/// declared it is the client's desired state, declared again after each recovery.</summary>
public sealed class AmqpTopology
{
    private readonly Actor.TopologyItem[] _items;

    /// <summary>An empty topology.</summary>
    public AmqpTopology() => _items = [];

    private AmqpTopology(Actor.TopologyItem[] items) => _items = items;

    internal IReadOnlyList<Actor.TopologyItem> Items => _items;

    /// <summary>Adds an exchange.</summary>
    /// <param name="exchange">The exchange.</param>
    /// <returns>The new topology.</returns>
    /// <exception cref="ArgumentException">A name or an argument is not valid.</exception>
    public AmqpTopology With(AmqpExchange exchange)
    {
        ArgumentNullException.ThrowIfNull(exchange);
        exchange.Validate();
        return new AmqpTopology([.. _items, new Actor.TopologyItem.Exchange(exchange)]);
    }

    /// <summary>Adds a queue.</summary>
    /// <param name="queue">The queue.</param>
    /// <returns>The new topology.</returns>
    /// <exception cref="ArgumentException">A name or an argument is not valid.</exception>
    public AmqpTopology With(AmqpQueue queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        queue.Validate();
        return new AmqpTopology([.. _items, new Actor.TopologyItem.Queue(queue)]);
    }

    /// <summary>Adds a binding.</summary>
    /// <param name="binding">The binding.</param>
    /// <returns>The new topology.</returns>
    /// <exception cref="ArgumentException">A name or an argument is not valid.</exception>
    public AmqpTopology With(AmqpBinding binding)
    {
        ArgumentNullException.ThrowIfNull(binding);
        binding.Validate();
        return new AmqpTopology([.. _items, new Actor.TopologyItem.Binding(binding)]);
    }

    /// <summary>Adds a durable exchange.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Its type: one of <see cref="AmqpExchangeType"/>, or a plugin's, which begins with
    /// <c>x-</c>.</param>
    /// <returns>The new topology.</returns>
    /// <exception cref="ArgumentException">The name or the type is not valid; the message names the nearest
    /// type.</exception>
    public AmqpTopology Exchange(string name, string type) => With(new AmqpExchange { Name = name, Type = type });

    /// <summary>Adds a durable queue of the virtual host's default type, which is classic unless its administrator
    /// chose another. A classic queue lives on one node; for durable queues RabbitMQ advises the type of
    /// <see cref="QuorumQueue"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The new topology.</returns>
    public AmqpTopology Queue(string name) => With(new AmqpQueue { Name = name });

    /// <summary>Adds a durable classic queue, whatever the virtual host's default is: on one node.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The new topology.</returns>
    public AmqpTopology ClassicQueue(string name) => With(new AmqpQueue { Name = name, Type = AmqpQueueType.Classic });

    /// <summary>Adds a quorum queue: durable, replicated over the nodes of a cluster.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The new topology.</returns>
    public AmqpTopology QuorumQueue(string name) => With(new AmqpQueue { Name = name, Type = AmqpQueueType.Quorum });

    /// <summary>Adds a stream: a log that keeps what was read. It grows until <see cref="AmqpQueue.MaxLengthBytes"/> or
    /// the argument <c>x-max-age</c> bounds it, which <see cref="With(AmqpQueue)"/> takes.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>The new topology.</returns>
    public AmqpTopology Stream(string name) => With(new AmqpQueue { Name = name, Type = AmqpQueueType.Stream });

    /// <summary>Adds a binding, which is completed by where it leads to: <c>Bind("news", "eu.*").ToQueue("orders")</c>.
    /// </summary>
    /// <param name="exchange">The exchange that messages come from.</param>
    /// <param name="routingKey">The binding key.</param>
    /// <returns>The binding, without its other end.</returns>
    public AmqpBindingFrom Bind(string exchange, string routingKey = "")
        => new(this, new AmqpBinding { Exchange = exchange, RoutingKey = routingKey });
}

/// <summary>A binding that has to be told where it leads to. Exchange and queue are arguments of a method each, so that
/// they cannot be confused.</summary>
public sealed class AmqpBindingFrom
{
    private readonly AmqpTopology _topology;
    private readonly AmqpBinding _binding;

    internal AmqpBindingFrom(AmqpTopology topology, AmqpBinding binding)
        => (_topology, _binding) = (topology, binding);

    /// <summary>Leads to a queue.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <returns>The topology with the binding.</returns>
    /// <exception cref="ArgumentException">A name is not valid.</exception>
    public AmqpTopology ToQueue(string queue) => _topology.With(_binding with { Queue = queue });

    /// <summary>Leads to another exchange.</summary>
    /// <param name="exchange">The exchange that messages go to.</param>
    /// <returns>The topology with the binding.</returns>
    /// <exception cref="ArgumentException">A name is not valid.</exception>
    public AmqpTopology ToExchange(string exchange) => _topology.With(_binding with { ToExchange = exchange });
}

/// <summary>The exchange types of AMQP 0-9-1 (section 3.1.3).</summary>
public static class AmqpExchangeType
{
    /// <summary>Routes by equal keys.</summary>
    public const string Direct = "direct";

    /// <summary>Routes to every bound queue.</summary>
    public const string Fanout = "fanout";

    /// <summary>Routes by key patterns.</summary>
    public const string Topic = "topic";

    /// <summary>Routes by headers.</summary>
    public const string Headers = "headers";
}

/// <summary>An exchange to have on the broker.</summary>
public sealed record AmqpExchange
{
    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its type: one of <see cref="AmqpExchangeType"/>, or a plugin's, which begins with <c>x-</c>. Any other
    /// is taken for a slip and refused here, unless <see cref="CustomType"/> says that it is meant. What the broker
    /// does not know it refuses by name: up to RabbitMQ 3 by closing the connection (503), which is then made
    /// anew.</summary>
    /// <value>Default: <c>direct</c>.</value>
    public string Type { get; init; } = AmqpExchangeType.Direct;

    /// <summary>Whether <see cref="Type"/> is that of a plugin which does not begin with <c>x-</c>.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool CustomType { get; init; }

    /// <summary>Whether it outlives a restart of the broker.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    public bool Durable { get; init; } = true;

    /// <summary>Whether it goes with its last binding. With the last one that this client declared it is not declared
    /// again after a recovery.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool AutoDelete { get; init; }

    /// <summary>Only checks that it exists.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool Passive { get; init; }

    /// <summary>Receives what this one cannot route.</summary>
    /// <value>Default: none.</value>
    public string? AlternateExchange { get; init; }

    /// <summary>Further arguments. They win over <see cref="AlternateExchange"/>.</summary>
    /// <value>Default: none.</value>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

    /// <summary>The arguments as they go to the broker; null for none.</summary>
    internal IReadOnlyDictionary<string, object?>? WireArguments()
    {
        if (AlternateExchange is null || Arguments?.ContainsKey(AlternateArgument) == true)
            return Arguments;
        return new Dictionary<string, object?>(Arguments ?? new Dictionary<string, object?>())
        {
            [AlternateArgument] = AlternateExchange,
        };
    }

    /// <summary>What receives what this one cannot route, in whichever way that is said.</summary>
    internal string? Alternate => WireArguments()?.GetValueOrDefault(AlternateArgument) as string;

    private const string AlternateArgument = "alternate-exchange";

    private static readonly string[] BuiltIn =
        [AmqpExchangeType.Direct, AmqpExchangeType.Fanout, AmqpExchangeType.Topic, AmqpExchangeType.Headers];

    internal void Validate()
    {
        Check.Name(Name, nameof(Name));
        Check.Name(Type, nameof(Type));
        if (!CustomType && !BuiltIn.Contains(Type) && !Type.StartsWith("x-", StringComparison.Ordinal))
        {
            string near = NearNames.Of(Type, BuiltIn) is [var meant, ..] ? $" Did you mean '{meant}'?" : "";
            throw new ArgumentException($"{nameof(Type)} must be {string.Join(", ", BuiltIn)}, or a plugin's that "
                + $"begins with x-, not '{Telemetry.StatusText.Printable(Type)}'.{near} A plugin's type without x- "
                + $"needs {nameof(CustomType)} = true.", nameof(Type));
        }
        Check.OptionalShortString(AlternateExchange, nameof(AlternateExchange));
        Check.Headers(Arguments, nameof(Arguments));
    }
}

/// <summary>A binding to have on the broker.</summary>
public sealed record AmqpBinding
{
    /// <summary>The exchange that messages come from.</summary>
    public required string Exchange { get; init; }

    /// <summary>The queue that they go to. Either this or <see cref="ToExchange"/>.</summary>
    public string? Queue { get; init; }

    /// <summary>The exchange that they go to. Either this or <see cref="Queue"/>.</summary>
    public string? ToExchange { get; init; }

    /// <summary>The binding key.</summary>
    /// <value>Default: empty.</value>
    public string RoutingKey { get; init; } = "";

    /// <summary>Arguments, for a headers exchange.</summary>
    /// <value>Default: none.</value>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

    internal void Validate()
    {
        Check.Name(Exchange, nameof(Exchange));
        Check.ShortString(RoutingKey, nameof(RoutingKey));
        if (Queue is null == ToExchange is null)
            throw new ArgumentException($"Set either {nameof(Queue)} or {nameof(ToExchange)}.", nameof(Queue));
        Check.Name(Queue ?? ToExchange!, Queue is null ? nameof(ToExchange) : nameof(Queue));
        Check.Headers(Arguments, nameof(Arguments));
    }
}
