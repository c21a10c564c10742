using System.Globalization;

namespace SafeAmqp.Testing.Queues;

/// <summary>What a queue was declared with, checked in RabbitMQ's order and refused with its texts.</summary>
internal sealed class QueueArguments
{
    /// <summary>RabbitMQ's limit; more priorities make a queue slow without a use.</summary>
    private const int HighestPriority = 255;

    private static readonly string[] Known =
    [
        "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-max-length",
        "x-max-length-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-single-active-consumer", "x-queue-type", "x-delivery-limit",
    ];

    private QueueArguments(Dictionary<string, object?> table) => Table = table;

    public Dictionary<string, object?> Table { get; }

    public long? Expires => Integer("x-expires");

    public long? MessageTtl => Integer("x-message-ttl");

    public string? DeadLetterExchange => Text("x-dead-letter-exchange");

    public string? DeadLetterRoutingKey => Text("x-dead-letter-routing-key");

    public long? MaxLength => Integer("x-max-length");

    public long? MaxLengthBytes => Integer("x-max-length-bytes");

    public int MaxPriority => (int)(Integer("x-max-priority") ?? 0);

    public bool RejectsPublish => Text("x-overflow") is "reject-publish" or "reject-publish-dlx";

    public bool DeadLettersRejected => Text("x-overflow") is "reject-publish-dlx";

    public bool SingleActiveConsumer => Table.GetValueOrDefault("x-single-active-consumer") is true;

    public bool IsQuorum => Text("x-queue-type") is "quorum";

    public long? DeliveryLimit => IsQuorum ? Integer("x-delivery-limit") : null;

    public static QueueArguments Read(Dictionary<string, object?> table, string queue, string vhost)
    {
        Equivalence.CheckIsText("x-dead-letter-exchange", $"queue '{queue}' in vhost '{vhost}'", table);
        foreach (string name in Known)
            if (table.TryGetValue(name, out object? value) && Problem(name, value, table) is { } problem)
                throw AmqpError.Precondition($"invalid arg '{name}' for queue '{queue}' in vhost '{vhost}': {problem}");
        return new QueueArguments(table);
    }

    /// <summary>Refuses a second declaration with other arguments.</summary>
    public void CheckSame(Dictionary<string, object?> received, string queue, string vhost)
    {
        foreach (string name in Known)
            Equivalence.CheckArgument(name, $"queue '{queue}' in vhost '{vhost}'", received, Table);
    }

    private static string? Problem(string name, object? value, Dictionary<string, object?> all) => name switch
    {
        "x-expires" => Number(value) ?? (FieldTable.Integer(value) == 0 ? "{value_zero,0}" : null),
        "x-message-ttl" or "x-max-length" or "x-max-length-bytes" or "x-delivery-limit" => Number(value),
        "x-max-priority" => Number(value) ?? (FieldTable.Integer(value) > HighestPriority ? $"{{max_value_exceeded,{Text(value)}}}" : null),
        "x-dead-letter-exchange" or "x-dead-letter-strategy" => Type(value, value is byte[]),
        "x-dead-letter-routing-key" => Type(value, value is byte[])
            ?? (all.ContainsKey("x-dead-letter-exchange") ? null : "routing_key_but_no_dlx_defined"),
        "x-overflow" => Type(value, value is byte[]) ?? OneOf(value, "invalid_overflow", "drop-head", "reject-publish", "reject-publish-dlx"),
        "x-queue-mode" => Type(value, value is byte[]) ?? OneOf(value, $"\"unsupported queue mode '{FieldTable.Text(value)}'\"", "default", "lazy"),
        "x-queue-type" => Type(value, value is byte[]) ?? OneOf(value, $"\"unsupported queue type '{FieldTable.Text(value)}'\"", "classic", "quorum", "stream"),
        "x-single-active-consumer" => Type(value, value is bool),
        _ => null,
    };

    private static string? Number(object? value) => FieldTable.Integer(value) switch
    {
        null => $"\"expected integer, got {FieldTableWriter.TypeName(value)}\"",
        < 0 => $"{{value_negative,{Text(value)}}}",
        _ => null,
    };

    private static string? Type(object? value, bool accepted) => accepted ? null : $"{{unacceptable_type,{FieldTableWriter.TypeName(value)}}}";

    private static string? OneOf(object? value, string problem, params ReadOnlySpan<string> allowed) =>
        allowed.Contains(FieldTable.Text(value)) ? null : problem;

    private static string Text(object? value) => Convert.ToString(FieldTable.Integer(value), CultureInfo.InvariantCulture)!;

    private long? Integer(string name) => FieldTable.Integer(Table.GetValueOrDefault(name));

    private string? Text(string name) => FieldTable.Text(Table.GetValueOrDefault(name));
}
