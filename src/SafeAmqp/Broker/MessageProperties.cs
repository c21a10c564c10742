using System.Collections;
using RabbitMQ.Client;

namespace SafeAmqp.Broker;

/// <summary>Maps tables to those of RabbitMQ.Client, through which entities are declared and consumed.</summary>
internal static class MessageProperties
{
    /// <summary>Carries a mandatory message's place in the ledger, so that a return finds its publish. Taken off again on delivery.</summary>
    internal const string SlotHeader = "x-safeamqp-slot";

    /// <summary>The same as UTF-8.</summary>
    internal static ReadOnlySpan<byte> SlotHeaderName => "x-safeamqp-slot"u8;

    internal static IDictionary<string, object?>? ToTable(IReadOnlyDictionary<string, object?>? table)
        => table is null ? null : table.ToDictionary(pair => pair.Key, pair => ToWire(pair.Value));

    private static object? ToWire(object? value) => value switch
    {
        DateTimeOffset time => new AmqpTimestamp(time.ToUnixTimeSeconds()),
        ulong large => (long)large, // Check.Headers has refused what is larger
        IReadOnlyDictionary<string, object?> table => ToTable(table),
        byte[] => value,
        IList list => list.Cast<object?>().Select(ToWire).ToList(),
        _ => value,
    };
}
