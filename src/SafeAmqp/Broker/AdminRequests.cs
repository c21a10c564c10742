using System.Collections;
using RabbitMQ.Client;
using SafeAmqp.Actor;

namespace SafeAmqp.Broker;

/// <summary>Makes requests about entities through RabbitMQ.Client.</summary>
internal static class AdminRequests
{
    /// <returns>The name of a server-named queue, otherwise an empty string, and what a queue holds.</returns>
    internal static async Task<(string, AmqpQueueCounts)> SendAsync(IChannel channel, AdminRequest request)
    {
        switch (request)
        {
            case AdminRequest.Deletion { Item: var gone }:
                await DeleteAsync(channel, gone).ConfigureAwait(false);
                break;
            case AdminRequest.ExchangeCheck check:
                await channel.ExchangeDeclarePassiveAsync(check.Name, CancellationToken.None).ConfigureAwait(false);
                break;
            case AdminRequest.Probe:
                // The default, set again. It needs no permission and names no entity, and limits only consumers that
                // begin after it on this channel: none does.
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
                    ClientTable.Of(queue.WireArguments()), passive: false, noWait: false,
                    CancellationToken.None).ConfigureAwait(false);
                break;
            case AdminRequest.ReplyQueue:
                QueueDeclareOk replies = await channel.QueueDeclareAsync("", durable: false, exclusive: true,
                    autoDelete: true, arguments: null, passive: false, noWait: false,
                    CancellationToken.None).ConfigureAwait(false);
                return (replies.QueueName, default);
            case AdminRequest.Contents contents:
                return ("", await LookIntoAsync(channel, contents).ConfigureAwait(false));
            case TopologyItem.Binding { Value: var binding } when binding.Queue is not null:
                await channel.QueueBindAsync(binding.Queue, binding.Exchange, binding.RoutingKey,
                    ClientTable.Of(binding.Arguments), noWait: false, CancellationToken.None).ConfigureAwait(false);
                break;
            case TopologyItem.Binding { Value: var binding }:
                await channel.ExchangeBindAsync(binding.ToExchange!, binding.Exchange, binding.RoutingKey,
                    ClientTable.Of(binding.Arguments), noWait: false, CancellationToken.None).ConfigureAwait(false);
                break;
        }
        return ("", default);
    }

    private static async Task<AmqpQueueCounts> LookIntoAsync(IChannel channel, AdminRequest.Contents of)
    {
        if (of.Purges)
            return new(await channel.QueuePurgeAsync(of.Queue, CancellationToken.None).ConfigureAwait(false), 0);
        var found = await channel.QueueDeclarePassiveAsync(of.Queue, CancellationToken.None).ConfigureAwait(false);
        return new(found.MessageCount, (int)found.ConsumerCount);
    }

    // What was only checked is not ours to take away.
    private static Task DeleteAsync(IChannel channel, TopologyItem item) => item switch
    {
        TopologyItem.Exchange { Value: { Passive: false } exchange }
            => channel.ExchangeDeleteAsync(exchange.Name, ifUnused: false, noWait: false, CancellationToken.None),
        TopologyItem.Queue { Value: { Passive: false } queue }
            => channel.QueueDeleteAsync(queue.Name, ifUnused: false, ifEmpty: false, noWait: false,
                CancellationToken.None),
        TopologyItem.Binding { Value: { Queue: { } queue } binding }
            => channel.QueueUnbindAsync(queue, binding.Exchange, binding.RoutingKey,
                ClientTable.Of(binding.Arguments), CancellationToken.None),
        TopologyItem.Binding { Value: var binding }
            => channel.ExchangeUnbindAsync(binding.ToExchange!, binding.Exchange, binding.RoutingKey,
                ClientTable.Of(binding.Arguments), noWait: false, CancellationToken.None),
        _ => Task.CompletedTask,
    };

    private static Task DeclareAsync(IChannel channel, AmqpExchange exchange)
    {
        if (exchange.Passive)
            return channel.ExchangeDeclarePassiveAsync(exchange.Name, CancellationToken.None);
        return channel.ExchangeDeclareAsync(exchange.Name, exchange.Type, exchange.Durable, exchange.AutoDelete,
            ClientTable.Of(exchange.WireArguments()), passive: false, noWait: false, CancellationToken.None);
    }
}

/// <summary>Maps tables to those of RabbitMQ.Client, through which entities are declared and consumed.</summary>
internal static class ClientTable
{
    internal static IDictionary<string, object?>? Of(IReadOnlyDictionary<string, object?>? table)
        => table is null ? null : table.ToDictionary(pair => pair.Key, pair => ToWire(pair.Value));

    private static object? ToWire(object? value) => value switch
    {
        DateTimeOffset time => new AmqpTimestamp(time.ToUnixTimeSeconds()),
        ulong large => (long)large, // Check.Headers has refused what is larger
        decimal and < 0 => TwosComplement((decimal)value),
        byte[] bytes => new BinaryTableValue(bytes),
        IReadOnlyDictionary<string, object?> table => Of(table),
        IList list => list.Cast<object?>().Select(ToWire).ToList(),
        _ => value,
    };

    // RabbitMQ.Client writes a sign and 31 bits of digits.
    private static decimal TwosComplement(decimal negative)
        => new(-decimal.GetBits(negative)[0] & int.MaxValue, 0, 0, isNegative: true, negative.Scale);
}
