using System.Globalization;

namespace SafeAmqp;

/// <summary>The kinds of queue that RabbitMQ has (<c>x-queue-type</c>).</summary>
public enum AmqpQueueType
{
    /// <summary>The virtual host's default, which is classic unless its administrator chose another.</summary>
    Default,

    /// <summary>On one node, and lost with its disk. RabbitMQ 4.0 has no mirrored classic queues any more. For queues
    /// that are exclusive, auto-delete or of little worth.</summary>
    Classic,

    /// <summary>Replicated by consensus: what RabbitMQ advises for durable queues. A message may return only so often
    /// (<see cref="AmqpQueue.DeliveryLimit"/>); then the queue dead-letters it, or drops it where it has no dead-letter
    /// exchange.</summary>
    Quorum,

    /// <summary>An append-only log, read from where a consumer says (<see cref="AmqpConsumerOptions.StreamOffset"/>).
    /// Nothing returns to it: a delivery that is requeued comes to its handler again, one that is rejected is passed
    /// over (<see cref="AmqpSettlement"/>).</summary>
    Stream,
}

/// <summary>What a queue does when it is full (<c>x-overflow</c>).</summary>
public enum AmqpOverflow
{
    /// <summary>Drops its oldest message.</summary>
    DropHead,

    /// <summary>Refuses the new one: its publish is nacked.</summary>
    RejectPublish,

    /// <summary>Refuses the new one and dead-letters it.</summary>
    RejectPublishDeadLetter,
}

/// <summary>A queue to have on the broker.</summary>
public sealed record AmqpQueue
{
    /// <summary>How the names of queues begin that the library makes for itself.</summary>
    internal const string OwnPrefix = "safeamqp.";

    /// <summary>Its name.</summary>
    public required string Name { get; init; }

    /// <summary>Its kind.</summary>
    /// <value>Default: <see cref="AmqpQueueType.Default"/>, for which no <c>x-queue-type</c> is sent.</value>
    public AmqpQueueType Type { get; init; }

    /// <summary>Whether it outlives a restart of the broker.</summary>
    /// <remarks>A queue that is neither durable nor <see cref="Exclusive"/> is deprecated: RabbitMQ 4.0 to 4.2 make it
    /// and log a warning, from 4.3 on they refuse it, and close the connection (541), unless
    /// <c>deprecated_features.permit.transient_nonexcl_queues = true</c>. Use a durable queue that
    /// <see cref="Expires"/> instead.</remarks>
    /// <value>Default: <see langword="true"/>.</value>
    public bool Durable { get; init; } = true;

    /// <summary>Whether only the connection that declared it may use it; it goes with that connection and is made again
    /// after a recovery, until it is deleted (<see cref="IAmqpClient.DeleteAsync"/>) or was auto-deleted. It lives on
    /// the receive link.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool Exclusive { get; init; }

    /// <summary>Whether it goes with its last consumer. With this client's last one it is not declared again after a
    /// recovery; the next <see cref="IAmqpClient.ConsumeAsync"/> of it declares it again, with its
    /// bindings.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool AutoDelete { get; init; }

    /// <summary>Only checks that it exists.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool Passive { get; init; }

    /// <summary>How long a message may wait (<c>x-message-ttl</c>); whole milliseconds.</summary>
    /// <value>Default: for ever.</value>
    public TimeSpan? MessageTtl { get; init; }

    /// <summary>After how long without use the queue goes (<c>x-expires</c>); whole milliseconds. It is not declared
    /// again after a recovery once this client has not used it for so long.</summary>
    /// <value>Default: never.</value>
    public TimeSpan? Expires { get; init; }

    /// <summary>The most messages it holds (<c>x-max-length</c>).</summary>
    /// <value>Default: unbounded.</value>
    public long? MaxLength { get; init; }

    /// <summary>The most bytes of bodies it holds (<c>x-max-length-bytes</c>).</summary>
    /// <value>Default: unbounded.</value>
    public long? MaxLengthBytes { get; init; }

    /// <summary>What it does when it is full.</summary>
    /// <remarks>A quorum queue takes one message too many before it refuses, and takes again when it is down to four
    /// fifths of its limit; <see cref="AmqpOverflow.RejectPublishDeadLetter"/> makes it drop its oldest.</remarks>
    /// <value>Default: the broker's, which is to drop the oldest.</value>
    public AmqpOverflow? Overflow { get; init; }

    /// <summary>Receives rejected and expired messages. Empty is the default exchange.</summary>
    /// <value>Default: none.</value>
    public string? DeadLetterExchange { get; init; }

    /// <summary>The routing key of dead-lettered messages.</summary>
    /// <value>Default: their own.</value>
    public string? DeadLetterRoutingKey { get; init; }

    /// <summary>Whether one consumer at a time receives, the next takes over.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool SingleActiveConsumer { get; init; }

    /// <summary>The highest priority it orders by (<c>x-max-priority</c>); classic queues. A quorum queue refuses it
    /// and, from RabbitMQ 4.0 on, gives two messages of priority 5 or higher for each lower one. From 4.3 on it takes
    /// it, up to 31, and orders by it.</summary>
    /// <value>1 to 255. Default: none.</value>
    public byte? MaxPriority { get; init; }

    /// <summary>How often a message may return (<c>x-delivery-limit</c>) before the queue dead-letters it, or drops it
    /// where it has no <see cref="DeadLetterExchange"/>; quorum queues. It is delivered once more than that.</summary>
    /// <remarks>Up to RabbitMQ 4.2 every return counts: <see cref="AmqpSettlement.Requeue"/>, and each loss of the
    /// channel or connection that had the message. From 4.3 on a requeue (basic.nack) does not count: the message comes
    /// again without end. A client warns of the last returns of a queue that it did not declare with a dead-letter
    /// exchange.</remarks>
    /// <value>Default: the broker's, 20 from RabbitMQ 4.0 on, none before.</value>
    public int? DeliveryLimit { get; init; }

    /// <summary>Further arguments. They win over those above.</summary>
    /// <value>Default: none.</value>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

    /// <summary>What limits the returns to a quorum queue that names no limit, and since when.</summary>
    internal const int DefaultDeliveryLimit = 20;

    /// <summary>Since when there is such a limit, and a stream skips what is rejected instead of closing the
    /// connection.</summary>
    internal static readonly Version RabbitMq4 = new(4, 0);

    /// <summary>A queue for its maker alone, which goes with it. It has a name, so that a recovery makes the same one
    /// and its bindings again.</summary>
    internal static AmqpQueue Own(string kind = "") => new()
    {
        Name = $"{OwnPrefix}{kind}{Guid.NewGuid():N}",
        Durable = false,
        Exclusive = true,
        AutoDelete = true,
    };

    /// <summary>Whether it is a stream, in whichever way that is said.</summary>
    internal bool IsStream => Argument("x-queue-type") is "stream";

    /// <summary>Whether it is a quorum queue, in whichever way that is said.</summary>
    internal bool IsQuorum => Argument("x-queue-type") is "quorum";

    /// <summary>Whether it may be a stream: a virtual host may make a queue without a type a stream.</summary>
    internal bool MayBeStream
        => IsStream || (Durable && !Exclusive && !AutoDelete && Argument("x-queue-type") is null);

    /// <summary>Whether a queue goes with its connection or its consumers: what is put beside it would outlive
    /// it.</summary>
    internal static bool IsTemporary(string name, AmqpQueue? declared)
        => declared is { Exclusive: true } or { AutoDelete: true }
            || name.StartsWith("amq.gen-", StringComparison.Ordinal);

    /// <summary>After how long without use it goes, in whichever way that is said.</summary>
    internal TimeSpan? Expiry => TimeArgument("x-expires");

    /// <summary>How long a delivery of it may stay unsettled, where the queue says so.</summary>
    internal TimeSpan? ConsumerTimeout => TimeArgument("x-consumer-timeout");

    /// <summary>Whether the broker moves what is rejected or expires, in whichever way that is said.</summary>
    internal bool HasDeadLetterExchange => Argument("x-dead-letter-exchange") is not null;

    internal long? IntegerArgument(string name)
        => Argument(name) is (byte or sbyte or short or ushort or int or uint or long or ulong) and { } value
            ? Convert.ToInt64(value, CultureInfo.InvariantCulture) : null; // Check.Headers has refused what is larger

    private TimeSpan? TimeArgument(string name)
        => IntegerArgument(name) is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null;

    /// <summary>The value that an argument goes to the broker with; null when it does not.</summary>
    internal object? Argument(string name) => WireArguments().GetValueOrDefault(name);

    internal void Validate()
    {
        Check.Name(Name, nameof(Name));
        if (Type is AmqpQueueType.Quorum or AmqpQueueType.Stream && (!Durable || Exclusive || AutoDelete))
            throw new ArgumentException($"A {Type} queue must be durable, not exclusive and not auto-delete.",
                nameof(Type));
        Check.Defined(Type, nameof(Type));
        if (Overflow is { } overflow)
            Check.Defined(overflow, nameof(Overflow));
        OptionalRange(MessageTtl, TimeSpan.Zero, nameof(MessageTtl));
        OptionalRange(Expires, TimeSpan.FromMilliseconds(1), nameof(Expires));
        Check.Range(MaxLength ?? 0, 0, long.MaxValue, nameof(MaxLength));
        Check.Range(MaxLengthBytes ?? 0, 0, long.MaxValue, nameof(MaxLengthBytes));
        Check.Range(MaxPriority ?? 1, 1, 255, nameof(MaxPriority));
        Check.Range(DeliveryLimit ?? 0, 0, int.MaxValue, nameof(DeliveryLimit));
        Check.OptionalShortString(DeadLetterExchange, nameof(DeadLetterExchange));
        Check.OptionalShortString(DeadLetterRoutingKey, nameof(DeadLetterRoutingKey));
        Check.Headers(Arguments, nameof(Arguments));
    }

    // The broker's times are unsigned 32-bit milliseconds.
    private static void OptionalRange(TimeSpan? value, TimeSpan min, string name)
        => Check.Range(value ?? min, min, TimeSpan.FromMilliseconds(uint.MaxValue), name);

    internal Dictionary<string, object?> WireArguments()
    {
        var arguments = Named().Where(named => named.Value is not null)
            .ToDictionary(named => named.Argument, named => named.Value);
        foreach (var (key, value) in Arguments ?? new Dictionary<string, object?>())
            arguments[key] = value;
        return arguments;
    }

    /// <summary>The property that sets an argument; null when it is one of <see cref="Arguments"/>.</summary>
    internal static string? PropertyOf(string argument)
        => Array.Find(new AmqpQueue { Name = "" }.Named(), named => named.Argument == argument).Property;

    private (string Argument, string Property, object? Value)[] Named() =>
    [
        ("x-queue-type", nameof(Type), Type == AmqpQueueType.Default ? null : Type.ToString().ToLowerInvariant()),
        ("x-message-ttl", nameof(MessageTtl), (long?)MessageTtl?.TotalMilliseconds),
        ("x-expires", nameof(Expires), (long?)Expires?.TotalMilliseconds),
        ("x-max-length", nameof(MaxLength), MaxLength),
        ("x-max-length-bytes", nameof(MaxLengthBytes), MaxLengthBytes),
        ("x-overflow", nameof(Overflow), Overflow switch
        {
            null => null,
            AmqpOverflow.DropHead => "drop-head",
            AmqpOverflow.RejectPublish => "reject-publish",
            _ => "reject-publish-dlx",
        }),
        ("x-dead-letter-exchange", nameof(DeadLetterExchange), DeadLetterExchange),
        ("x-dead-letter-routing-key", nameof(DeadLetterRoutingKey), DeadLetterRoutingKey),
        ("x-single-active-consumer", nameof(SingleActiveConsumer), SingleActiveConsumer ? true : null),
        ("x-max-priority", nameof(MaxPriority), (int?)MaxPriority),
        ("x-delivery-limit", nameof(DeliveryLimit), (long?)DeliveryLimit),
    ];
}
