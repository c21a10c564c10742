using System.Collections;
using RabbitMQ.Client;
using SafeAmqp.Actor;

namespace SafeAmqp.Broker;

/// <summary>Declares an entity through RabbitMQ.Client.</summary>
internal static class Declaration
{
    /// <returns>The name of a server-named queue, otherwise an empty string.</returns>
    internal static async Task<string> RunAsync(IChannel channel, TopologyItem item)
    {
        switch (item)
        {
            case TopologyItem.ExchangeCheck check:
                await channel.ExchangeDeclarePassiveAsync(check.Name, CancellationToken.None).ConfigureAwait(false);
                break;
            case TopologyItem.Probe:
                // The default, set again. It needs no permission and names no entity, and a publishing channel has no
                // consumer to limit.
                await channel.BasicQosAsync(0, 0, global: false, CancellationToken.None).ConfigureAwait(false);
                break;
            case TopologyItem.Exchange { Value: var exchange }:
                await DeclareAsync(channel, exchange).ConfigureAwait(false);
                break;
            case TopologyItem.Queue { Value.Passive: true } queue:
                await channel.QueueDeclarePassiveAsync(queue.Value.Name, CancellationToken.None).ConfigureAwait(false);
                break;
            case TopologyItem.Queue { Value: var queue }:
                await channel.QueueDeclareAsync(queue.Name, queue.Durable, queue.Exclusive, queue.AutoDelete,
                    MessageProperties.ToTable(queue.WireArguments()), passive: false, noWait: false,
                        CancellationToken.None).ConfigureAwait(false);
                break;
            case TopologyItem.ReplyQueue:
                QueueDeclareOk replies = await channel.QueueDeclareAsync("", durable: false, exclusive: true,
                    autoDelete: true, arguments: null,
                    passive: false, noWait: false, CancellationToken.None).ConfigureAwait(false);
                return replies.QueueName;
            case TopologyItem.Binding { Value: var binding } when binding.Queue is not null:
                await channel.QueueBindAsync(binding.Queue, binding.Exchange, binding.RoutingKey,
                    MessageProperties.ToTable(binding.Arguments),
                    noWait: false, CancellationToken.None).ConfigureAwait(false);
                break;
            case TopologyItem.Binding { Value: var binding }:
                await channel.ExchangeBindAsync(binding.ToExchange!, binding.Exchange, binding.RoutingKey,
                    MessageProperties.ToTable(binding.Arguments),
                    noWait: false, CancellationToken.None).ConfigureAwait(false);
                break;
        }
        return "";
    }

    private static Task DeclareAsync(IChannel channel, AmqpExchange exchange)
    {
        if (exchange.Passive)
            return channel.ExchangeDeclarePassiveAsync(exchange.Name, CancellationToken.None);
        var arguments = MessageProperties.ToTable(exchange.Arguments);
        if (exchange.AlternateExchange is not null)
        {
            arguments ??= new Dictionary<string, object?>();
            arguments.TryAdd("alternate-exchange", exchange.AlternateExchange);
        }
        return channel.ExchangeDeclareAsync(exchange.Name, exchange.Type, exchange.Durable, exchange.AutoDelete,
            arguments,
            passive: false, noWait: false, CancellationToken.None);
    }
}

/// <summary>Maps tables to those of RabbitMQ.Client, through which entities are declared and consumed.</summary>
internal static class MessageProperties
{
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
