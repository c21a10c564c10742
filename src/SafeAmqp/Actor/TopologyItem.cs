namespace SafeAmqp.Actor;

/// <summary>
/// One entity to declare: a closed family. <see cref="Key"/> tells entities apart; declaring one again replaces it.
/// </summary>
internal abstract record TopologyItem
{
    /// <summary>How messages name it.</summary>
    internal abstract string Key { get; }

    internal sealed record Exchange(AmqpExchange Value) : TopologyItem
    {
        internal override string Key => $"exchange '{Value.Name}'";
    }

    internal sealed record Queue(AmqpQueue Value) : TopologyItem
    {
        internal override string Key => $"queue '{Value.Name}'";
    }

    internal sealed record Binding(AmqpBinding Value) : TopologyItem
    {
        internal override string Key => Value.Queue is { } queue
            ? $"binding of exchange '{Value.Exchange}' to queue '{queue}' with key '{Value.RoutingKey}'"
            : $"binding of exchange '{Value.Exchange}' to exchange '{Value.ToExchange}' with key '{Value.RoutingKey}'";
    }

    /// <summary>Asks whether an exchange exists, before the first publish to it.</summary>
    internal sealed record ExchangeCheck(string Name) : TopologyItem
    {
        internal override string Key => $"exchange '{Name}'";
    }

    /// <summary>Asks whether the broker still answers on a channel, and changes nothing.</summary>
    internal sealed record Probe : TopologyItem
    {
        internal override string Key => "question";
    }

    /// <summary>A queue for replies: server-named, exclusive, gone with its connection.</summary>
    internal sealed record ReplyQueue : TopologyItem
    {
        internal override string Key => "reply queue";
    }
}
