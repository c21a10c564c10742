using System.Collections;
using System.Globalization;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Actor;

/// <summary>The seam between decisions and the broker. Every member returns at once; answers come as
/// <see cref="BrokerSignal"/>s. Called by the owner's thread alone. A simulated broker implements it for
/// tests.</summary>
internal interface IBrokerLink
{
    /// <summary>Begins to connect. Answer: <see cref="BrokerSignal.Connected"/> or
    /// <see cref="BrokerSignal.ConnectFailed"/>.</summary>
    /// <param name="epoch">The link.</param>
    /// <param name="within">How long it may take.</param>
    /// <returns>The host that it connects to.</returns>
    string Connect(int epoch, TimeSpan within);

    /// <summary>Abandons a connection. There is no answer; signals that still come are stale.</summary>
    /// <param name="epoch">The link.</param>
    /// <param name="politely">Whether to send connection.close before the socket is closed.</param>
    void Abandon(int epoch, bool politely);

    /// <summary>Begins to open a channel. Answer: <see cref="BrokerSignal.ChannelOpened"/> or
    /// <see cref="BrokerSignal.ChannelClosed"/>.</summary>
    void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch);

    /// <summary>Closes a channel. Nothing is answered.</summary>
    void CloseChannel(long incarnation);

    /// <summary>Publishes a message. It leaves at the next <see cref="Flush"/>, if not before.</summary>
    /// <param name="incarnation">An open, confirming channel that is not busy.</param>
    /// <param name="message">The message.</param>
    /// <param name="slot">Its place in the ledger, which comes back with a return; -1 when it is not mandatory.</param>
    /// <param name="refusal">Why it was refused, when it was.</param>
    PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal);

    /// <summary>Has the publishes of an open channel that does not confirm confirmed from now on, numbered from 1.
    /// Nothing is answered.</summary>
    void Confirm(long incarnation);

    /// <summary>Settles a delivery, or with <paramref name="multiple"/> all up to it. It leaves at the next
    /// <see cref="Flush"/>, if not before.</summary>
    void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement);

    /// <summary>Asks for one message of a queue. Answer: <see cref="BrokerSignal.Delivered"/>,
    /// <see cref="BrokerSignal.FoundEmpty"/> or <see cref="BrokerSignal.ChannelClosed"/>.</summary>
    void Get(long incarnation, string queue);

    /// <summary>Sends what was published and settled since the last flush.</summary>
    void Flush();

    /// <summary>Makes a request about the broker's entities. Answer: <see cref="BrokerSignal.Answered"/> or
    /// <see cref="BrokerSignal.ChannelClosed"/>. One at a time per channel.</summary>
    void Ask(long incarnation, AdminRequest request);

    /// <summary>Begins to consume. Answer: <see cref="BrokerSignal.ConsumerStarted"/> or
    /// <see cref="BrokerSignal.ChannelClosed"/>.</summary>
    void Consume(long incarnation, ConsumeRequest request);

    /// <summary>Stops consuming. Answer: <see cref="BrokerSignal.ConsumerCancelled"/>, behind every delivery that came
    /// before it.</summary>
    void CancelConsumer(long incarnation);

    /// <summary>When bytes last came and went, for the watchdog and the status.</summary>
    LinkTraffic Traffic(int epoch);

    /// <summary>What the broker that it is or was last connected to calls its version; null when that is not
    /// known.</summary>
    Version? BrokerVersion => null;
}

/// <summary>The result of passing a message on.</summary>
internal enum PassResult
{
    /// <summary>It was taken.</summary>
    Passed,

    /// <summary>It was taken, and the channel takes no other until <see cref="BrokerSignal.Readied"/>.</summary>
    PassedBusy,

    /// <summary>It was not taken: the channel is closed, which a signal will say.</summary>
    Closed,

    /// <summary>It was not taken: it cannot be put into frames, or not into such as the broker takes. The channel
    /// stays usable.</summary>
    Refused,
}

/// <summary>A consumer to start.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="NoAck">Whether the broker forgets what it sends.</param>
/// <param name="Exclusive">Whether to be the only one.</param>
/// <param name="Arguments">Its arguments.</param>
/// <param name="Tag">Its name on the connection; null for one of the channel's own.</param>
internal sealed record ConsumeRequest(string Queue, bool NoAck, bool Exclusive,
    IReadOnlyDictionary<string, object?>? Arguments, string? Tag = null)
{
    /// <summary>Incarnations are never used again, so neither is this.</summary>
    internal static string TagOf(long incarnation) => $"safeamqp-{incarnation}";
}

/// <summary>When a link last moved bytes, in ticks of the actor's clock; null before the first.</summary>
/// <param name="LastReceived">When bytes last came.</param>
/// <param name="LastSent">When bytes last went.</param>
/// <param name="HasUnread">Whether bytes have come that were not read yet: the broker lives, this process is
/// starved.</param>
/// <param name="HasUnsent">Whether bytes wait here for those before them to leave.</param>
internal readonly record struct LinkTraffic(long? LastReceived, long? LastSent, bool HasUnread = false,
    bool HasUnsent = false);

/// <summary>A request about the broker's entities: to declare a <see cref="TopologyItem"/>, or one of these. A closed
/// family.</summary>
internal abstract record AdminRequest
{
    /// <summary>How messages name it. Two entities may read alike: <see cref="IsSameAs"/> tells them apart.</summary>
    internal abstract string Key { get; }

    /// <summary>Whether both are about one entity of the broker, however it is to be made.</summary>
    internal virtual bool IsSameAs(AdminRequest other) => Equals(other);

    /// <summary>Takes an entity away.</summary>
    internal sealed record Deletion(TopologyItem Item) : AdminRequest
    {
        internal override string Key => $"deletion of {Item.Key}";
    }

    /// <summary>Counts what is in a queue, and may take it out.</summary>
    internal sealed record Contents(string Queue, bool Purges) : AdminRequest
    {
        internal override string Key => $"{(Purges ? "purge" : "count")} of queue '{Queue}'";

        /// <summary>The broker's answer: the messages that are ready, or were purged, and the consumers.</summary>
        internal AmqpQueueCounts Counts { get; set; }
    }

    /// <summary>Asks whether an exchange exists, before the first publish to it.</summary>
    internal sealed record ExchangeCheck(string Name) : AdminRequest
    {
        internal override string Key => $"exchange '{Name}'";
    }

    /// <summary>Asks whether the broker still answers on a channel, and changes nothing.</summary>
    internal sealed record Probe : AdminRequest
    {
        internal override string Key => "question";
    }

    /// <summary>Makes a queue for replies: server-named, exclusive, gone with its connection.</summary>
    internal sealed record ReplyQueue : AdminRequest
    {
        internal override string Key => "reply queue";
    }
}

/// <summary>An entity that can be declared, and again on each link: a closed family. Declaring one again replaces
/// it.</summary>
internal abstract record TopologyItem : AdminRequest
{
    /// <summary>Whether it is only looked for.</summary>
    internal virtual bool IsPassive => false;

    /// <summary>The exchange or queue that it is; null for a binding.</summary>
    internal virtual (bool IsQueue, string Name)? Entity => null;

    internal override bool IsSameAs(AdminRequest other)
        => Entity is not null && other is TopologyItem item && item.Entity == Entity;

    /// <summary>Whether what is known of the same entity stays as it is: a look at it changes nothing.</summary>
    internal bool YieldsTo(TopologyItem known) => IsPassive && !known.IsPassive;

    internal sealed record Exchange(AmqpExchange Value) : TopologyItem
    {
        internal override bool IsPassive => Value.Passive;

        internal override string Key => $"exchange '{Value.Name}'";

        internal override (bool IsQueue, string Name)? Entity => (false, Value.Name);
    }

    internal sealed record Queue(AmqpQueue Value) : TopologyItem
    {
        internal override bool IsPassive => Value.Passive;

        internal override string Key => $"queue '{Value.Name}'";

        internal override (bool IsQueue, string Name)? Entity => (true, Value.Name);
    }

    internal sealed record Binding(AmqpBinding Value) : TopologyItem
    {
        internal override string Key
            => $"binding of exchange '{Value.Exchange}' to {(Value.Queue is null ? "exchange" : "queue")} "
                + $"'{Value.Queue ?? Value.ToExchange}' with key '{Value.RoutingKey}'"
                + (Value.Arguments is { Count: > 0 } table ? $" and arguments {TableEquality.Describe(table)}" : "");

        internal override bool IsSameAs(AdminRequest other)
            => other is Binding { Value: var binding } && binding.Exchange == Value.Exchange
                && binding.Queue == Value.Queue && binding.ToExchange == Value.ToExchange
                && binding.RoutingKey == Value.RoutingKey && TableEquality.Same(binding.Arguments, Value.Arguments);
    }
}

/// <summary>Compares tables as a broker does: by names, types and values at every depth, whatever holds them here and
/// in whatever order.</summary>
internal static class TableEquality
{
    private const int MaxShown = 200;

    /// <summary>Whether two tables are one to a broker. None is as good as an empty one.</summary>
    internal static bool Same(IReadOnlyDictionary<string, object?>? a, IReadOnlyDictionary<string, object?>? b)
        => (a?.Count ?? 0) == (b?.Count ?? 0)
            && (a is null || a.All(entry => b!.TryGetValue(entry.Key, out object? other) && Same(entry.Value, other)));

    /// <summary>A table in words, for messages.</summary>
    internal static string Describe(IReadOnlyDictionary<string, object?> table)
        => StatusText.Printable(string.Join(", ", table.Select(entry => $"{entry.Key}={Describe(entry.Value)}")),
            MaxShown);

    private static bool Same(object? a, object? b) => (a, b) switch
    {
        (byte[] one, byte[] other) => one.AsSpan().SequenceEqual(other),
        (byte[], _) or (_, byte[]) => false,
        (IReadOnlyDictionary<string, object?> one, IReadOnlyDictionary<string, object?> other) => Same(one, other),
        (IList one, IList other) => one.Count == other.Count
            && one.Cast<object?>().Zip(other.Cast<object?>()).All(pair => Same(pair.First, pair.Second)),
        (ulong one, long other) => (long)one == other, // the same on the wire
        (long one, ulong other) => one == (long)other,
        (decimal one, decimal other) => decimal.GetBits(one).AsSpan().SequenceEqual(decimal.GetBits(other)),
        (DateTimeOffset one, DateTimeOffset other) => one.ToUnixTimeSeconds() == other.ToUnixTimeSeconds(),
        _ => Equals(a, b), // which compares types, too
    };

    private static string Describe(object? value) => value switch
    {
        null => "",
        byte[] bytes => Convert.ToHexString(bytes),
        IReadOnlyDictionary<string, object?> table => $"{{{Describe(table)}}}",
        IList list => $"[{string.Join(", ", list.Cast<object?>().Select(Describe))}]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
