using RabbitMQ.Client;

namespace SafeAmqp.Peers.Tests;

/// <summary>RabbitMQ's own client for .NET, which has encoders and decoders of its own.</summary>
public sealed class RabbitMqClientTests(Brokers brokers) : PeerTest(brokers)
{
    private static readonly byte[] Body = [0, 1, 127, 128, 255, 0xCE];

    /// <summary>What it sends, and what we make of it.</summary>
    private static readonly (string Name, object? Sent, object? Read)[] Theirs =
    [
        ("text", "größe", "größe"), ("true", true, true), ("byte", (byte)200, (byte)200),
        ("sbyte", (sbyte)-7, (sbyte)-7),
        ("short", (short)-300, (short)-300), ("ushort", ushort.MaxValue, ushort.MaxValue),
        ("int", int.MinValue, int.MinValue),
        ("uint", uint.MaxValue, uint.MaxValue), ("long", long.MinValue, long.MinValue), ("float", 2.5f, 2.5f),
        ("double", -0.1, -0.1), ("decimal", 12.50m, 12.50m), ("null", null, null),
        ("time", new AmqpTimestamp(1_700_000_000), DateTimeOffset.FromUnixTimeSeconds(1_700_000_000)),
        ("bytes", new byte[] { 0, 255, 128 }, new byte[] { 0, 255, 128 }),
        ("binary", new BinaryTableValue([0, 255, 128]), new byte[] { 0, 255, 128 }),
        ("list", new List<object?> { 1, "two", null }, new List<object?> { 1, "two", null }),
        ("table", new Dictionary<string, object?> { ["a"] = 1 }, new Dictionary<string, object?> { ["a"] = 1 }),
    ];

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task Headers_of_every_type_are_read_here(BrokerKind broker)
    {
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);
        await using IConnection connection = await OpenAsync(broker);
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: Cancelled);
        var properties = new BasicProperties
        {
            Headers = Theirs.ToDictionary(header => header.Name, header => header.Sent)
        };
        await channel.BasicPublishAsync("", queue, false, properties, Body, Cancelled);
        AmqpMessage got = await NextAsync(await ConsumeAsync(client, queue));
        AssertSame(Theirs.ToDictionary(header => header.Name, header => Typed.Of(header.Read)), HeaderCases.Seen(got));
        Assert.Equal(Body, got.Body.ToArray());
    }

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task Headers_of_every_type_are_read_there(BrokerKind broker)
    {
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);
        await client.PublishAsync(AmqpMessage.ToQueue(queue, Body) with { Headers = HeaderCases.Ours }, Cancelled);
        await using IConnection connection = await OpenAsync(broker);
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: Cancelled);
        BasicGetResult got = (await channel.BasicGetAsync(queue, true, Cancelled))!;
        AssertSame(
            HeaderCases.Ours.ToDictionary(header => header.Key, header => Typed.Of(header.Key switch
            {
                "no list" or "no table" => null, // it makes null of what is empty
                // and takes the highest bit for a sign
                "negative decimal" => -21474823.98m,
                "least decimal" => 0m,
                "smallest decimal" => new decimal(int.MaxValue, 0, 0, isNegative: true, 28),
                _ => header.Value,
            })),
            WithoutTraces(got.BasicProperties.Headers!.ToDictionary(
                header => header.Key, header => Typed.Of(Plain(header.Value)))));
        Assert.Equal(Body, got.Body.ToArray());
    }

    private Task<IConnection> OpenAsync(BrokerKind broker) =>
        new ConnectionFactory { Uri = new Uri(Brokers.UriOf(broker)) }.CreateConnectionAsync(Cancelled);

    /// <summary>It leaves text as bytes; what is no text stays so.</summary>
    private static object? Plain(object? value) => value switch
    {
        byte[] bytes when System.Text.Unicode.Utf8.IsValid(bytes) => System.Text.Encoding.UTF8.GetString(bytes),
        BinaryTableValue binary => binary.Bytes,
        AmqpTimestamp time => DateTimeOffset.FromUnixTimeSeconds(time.UnixTime),
        IDictionary<string, object?> table => table.ToDictionary(entry => entry.Key, entry => Plain(entry.Value)),
        System.Collections.IList list and not byte[] => list.Cast<object?>().Select(Plain).ToList(),
        _ => value,
    };
}
