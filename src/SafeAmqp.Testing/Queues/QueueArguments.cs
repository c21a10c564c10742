using System.Globalization;

namespace SafeAmqp.Testing.Queues;

/// <summary>What a queue was declared with, checked in RabbitMQ's order and refused with its texts.</summary>
internal sealed class QueueArguments
{
    private const string QueueType = "x-queue-type";
    private const string DeliveryLimitName = "x-delivery-limit";
    private const string LeaderLocator = "x-queue-leader-locator";
    private const string MaxAgeName = "x-max-age";
    private const string SegmentSizeName = "x-stream-max-segment-size-bytes";
    private const string FilterSizeName = "x-stream-filter-size-bytes";

    /// <summary>RabbitMQ's limit; more priorities make a queue slow without a use.</summary>
    private const int HighestPriority = 255;

    private static readonly string[] OfEveryType =
    [
        "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-length",
        "x-max-length-bytes", "x-overflow", "x-single-active-consumer",
    ];

    private static readonly string[] OfClassic =
    [
        "x-max-priority", "x-queue-mode", "x-queue-version", "x-queue-master-locator",
    ];

    private static readonly string[] OfQuorum =
    [
        "x-dead-letter-strategy", DeliveryLimitName, "x-quorum-initial-group-size", "x-max-in-memory-length",
        "x-max-in-memory-bytes", LeaderLocator,
    ];

    private static readonly string[] OfStreams =
    [
        MaxAgeName, SegmentSizeName, "x-initial-cluster-size",
    ];

    /// <summary>Streams take few of the arguments that the other types have in common.</summary>
    private static readonly string[] OfStreamsToo = ["x-max-length-bytes", LeaderLocator];

    private static readonly string[] Known = [.. OfEveryType, .. OfClassic, .. OfQuorum, .. OfStreams];

    private readonly VersionRules _rules;

    private QueueArguments(Dictionary<string, object?> table, VersionRules rules)
    {
        _rules = rules;
        Table = table;
        IsQuorum = Text(QueueType) is "quorum";
        IsStream = Text(QueueType) is "stream";
    }

    public Dictionary<string, object?> Table { get; }

    public long? Expires => Integer("x-expires");

    public long? MessageTtl => Integer("x-message-ttl");

    public string? DeadLetterExchange => Text("x-dead-letter-exchange");

    public string? DeadLetterRoutingKey => Text("x-dead-letter-routing-key");

    public long? MaxLength => Integer("x-max-length");

    public long? MaxLengthBytes => Integer("x-max-length-bytes");

    public int MaxPriority => (int)(Integer("x-max-priority") ?? 0);

    /// <summary>A quorum queue that is to dead-letter what it refuses drops its head instead.</summary>
    public bool RejectsPublish => Text("x-overflow") is "reject-publish" || DeadLettersRejected;

    public bool DeadLettersRejected => !IsQuorum && Text("x-overflow") is "reject-publish-dlx";

    public bool SingleActiveConsumer => Table.GetValueOrDefault("x-single-active-consumer") is true;

    public bool IsQuorum { get; }

    public bool IsStream { get; }

    /// <summary>Octets of a stream's segment.</summary>
    public long? MaxSegmentSize => Integer(SegmentSizeName);

    /// <summary>How old a stream's messages may grow.</summary>
    public TimeSpan? MaxAge => Table.GetValueOrDefault(MaxAgeName) is byte[] age ? StreamOffset.Interval(age) : null;

    /// <summary>RabbitMQ's module for the type, as reply texts name it.</summary>
    public string TypeName
        => IsQuorum ? "rabbit_quorum_queue" : IsStream ? "rabbit_stream_queue" : "rabbit_classic_queue";

    /// <summary>Whether its consumers may have an argument: what only those of other types may have is
    /// refused.</summary>
    public bool ConsumesWith(string argument) => argument switch
    {
        "x-stream-offset" => IsStream,
        "x-stream-filter" or "x-stream-match-unfiltered" => IsStream || !_rules.FiltersStreams,
        "x-priority" => !IsStream,
        "x-cancel-on-ha-failover" => _rules.HasNoMirrors || (!IsQuorum && !IsStream),
        _ => true,
    };

    /// <summary>
    /// A quorum queue shows a dead letter's rejections in others until it has returns of its own to show.
    /// </summary>
    public bool ShowsRejections => IsQuorum && _rules.ShowsRejections;

    /// <summary>Quorum queues have two lanes for priorities without being asked to.</summary>
    public bool HasQuorumPriorities => IsQuorum && _rules.HasQuorumPriorities;

    /// <summary>The consumer that is active alone has the highest priority, not only the earliest place.</summary>
    public bool PromotesByPriority => IsQuorum && SingleActiveConsumer && _rules.PromotesByPriority;

    /// <summary>
    /// How often a message may return before it is dropped or dead-lettered; null is any number of times.
    /// </summary>
    public long? DeliveryLimit => !IsQuorum ? null : !Table.ContainsKey(DeliveryLimitName) ? _rules.DeliveryLimit
        : Integer(DeliveryLimitName) is { } limit && !(limit < 0 && _rules.NegativeLimitIsNone) ? limit : null;

    /// <summary>
    /// How long a consumer of this queue may keep a message, in milliseconds; null leaves it to the broker.
    /// </summary>
    public long? ConsumerTimeout => _rules.HasQueueTimeouts ? Integer("x-consumer-timeout") : null;

    public static QueueArguments Read(Dictionary<string, object?> table, string queue, string vhost, VersionRules rules)
    {
        string what = $"queue '{queue}' in vhost '{vhost}'";
        Equivalence.CheckIsText("x-dead-letter-exchange", what, table);
        Check(QueueType);
        var arguments = new QueueArguments(table, rules);
        foreach (string name in Known)
            if (table.ContainsKey(name) && !arguments.Takes(name))
                throw AmqpError.Precondition($"invalid arg '{name}' for {what} of queue type {arguments.TypeName}");
        foreach (string name in Known)
            Check(name);
        if (arguments.IsStream && rules.FiltersStreams && arguments.Integer(FilterSizeName) is < 16 or > 255)
            throw AmqpError.Precondition($"Invalid value for  {FilterSizeName}");
        if (rules.TypeIsAlwaysThere)
            table.TryAdd(QueueType, Classic());
        return arguments;

        void Check(string name)
        {
            if (table.TryGetValue(name, out object? value) && Problem(name, value, table) is { } problem)
                throw AmqpError.Precondition($"invalid arg '{name}' for {what}: {problem}");
        }
    }

    /// <summary>
    /// Refuses a second declaration with other arguments; those that the queue's type does not know are not looked at.
    /// </summary>
    public void CheckSame(Dictionary<string, object?> received, string queue, string vhost)
    {
        string what = $"queue '{queue}' in vhost '{vhost}'";
        if (_rules.TypeIsAlwaysThere)
            received.TryAdd(QueueType, Classic());
        if (IsQuorum || IsStream || FieldTable.Text(received.GetValueOrDefault(QueueType)) is not (null or "classic"))
            Equivalence.CheckArgument(QueueType, what, received, Table);
        foreach (string name in Known)
            if (Takes(name))
                Equivalence.CheckArgument(name, what, received, Table);
    }

    private static byte[] Classic() => FieldTable.Bytes("classic");

    private bool Takes(string name) => IsStream ? OfStreams.Contains(name) || OfStreamsToo.Contains(name)
        : OfEveryType.Contains(name) || (IsQuorum ? OfQuorum.Contains(name)
        : OfClassic.Contains(name) || name == LeaderLocator && _rules.LocatesClassicQueues);

    private static string? Problem(string name, object? value, Dictionary<string, object?> all) => name switch
    {
        "x-expires" => Number(value) ?? (FieldTable.Integer(value) == 0 ? "{value_zero,0}" : null),
        "x-message-ttl" or "x-max-length" or "x-max-length-bytes" => Number(value),
        SegmentSizeName => Number(value),
        MaxAgeName => value is byte[] age ? StreamOffset.Interval(age) is null ? "invalid_max_age" : null
            : Type(value, accepted: false),
        "x-quorum-initial-group-size" or "x-initial-cluster-size" =>
            Number(value) ?? (FieldTable.Integer(value) == 0 ? "{value_zero,0}" : null),
        "x-queue-version" => FieldTable.Integer(value) is { } version
            ? version is 1 or 2 ? null : $"\"unsupported queue version '{Text(value)}'\"" : Number(value),
        "x-dead-letter-strategy" => Type(value, value is byte[])
            ?? OneOf(value, "invalid_dlx_strategy", "at-most-once", "at-least-once"),
        LeaderLocator => Type(value, value is byte[])
            ?? OneOf(value, "invalid_queue_locator_arg", "client-local", "balanced", "random", "least-leaders"),
        "x-max-priority" => Number(value)
            ?? (FieldTable.Integer(value) > HighestPriority ? $"{{max_value_exceeded,{Text(value)}}}" : null),
        "x-dead-letter-exchange" => Type(value, value is byte[]),
        "x-dead-letter-routing-key" => Type(value, value is byte[])
            ?? (all.ContainsKey("x-dead-letter-exchange") ? null : "routing_key_but_no_dlx_defined"),
        "x-overflow" => Type(value, value is byte[])
            ?? OneOf(value, "invalid_overflow", "drop-head", "reject-publish", "reject-publish-dlx"),
        "x-queue-mode" => Type(value, value is byte[])
            ?? OneOf(value, $"\"unsupported queue mode '{FieldTable.Text(value)}'\"", "default", "lazy"),
        QueueType => Type(value, value is byte[])
            ?? OneOf(value, $"\"unsupported queue type '{FieldTable.Text(value)}'\"", "classic", "quorum", "stream"),
        "x-single-active-consumer" => Type(value, value is bool),
        _ => null,
    };

    private static string? Number(object? value) => FieldTable.Integer(value) switch
    {
        null => $"\"expected integer, got {FieldTableWriter.TypeName(value)}\"",
        < 0 => $"{{value_negative,{Text(value)}}}",
        _ => null,
    };

    private static string? Type(object? value, bool accepted)
        => accepted ? null : $"{{unacceptable_type,{FieldTableWriter.TypeName(value)}}}";

    private static string? OneOf(object? value, string problem, params ReadOnlySpan<string> allowed) =>
        allowed.Contains(FieldTable.Text(value)) ? null : problem;

    private static string Text(object? value)
        => Convert.ToString(FieldTable.Integer(value), CultureInfo.InvariantCulture)!;

    private long? Integer(string name) => FieldTable.Integer(Table.GetValueOrDefault(name));

    private string? Text(string name) => FieldTable.Text(Table.GetValueOrDefault(name));
}
