using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace SafeAmqp.Peers.Tests.Support;

/// <summary>What tests with peers need: a client, queues with names of their own, deliveries to wait for.</summary>
public abstract class PeerTest(Brokers brokers) : IAsyncLifetime
{
    private readonly List<(AmqpClient Client, List<string> Queues)> _clients = [];
    private readonly string _id = Guid.NewGuid().ToString("N")[..8];
    private int _names;

    public static TheoryData<string, BrokerKind> PeersOnBrokers =>
        new(from peer in Peer.All from broker in Enum.GetValues<BrokerKind>() select (peer, broker));

    public static TheoryData<BrokerKind> AllBrokers => [.. Enum.GetValues<BrokerKind>()];

    protected Brokers Brokers => brokers;

    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach ((AmqpClient client, _) in _clients)
            await client.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected string NewName([CallerMemberName] string test = "") =>
        $"{test[..Math.Min(60, test.Length)]}.{_id}.{Interlocked.Increment(ref _names)}";

    /// <summary>A client of this test; disposed with it.</summary>
    protected async Task<AmqpClient> ConnectAsync(BrokerKind broker)
    {
        AmqpClient client = await AmqpClient.ConnectAsync(brokers.UriOf(broker), Cancelled);
        _clients.Add((client, []));
        return client;
    }

    /// <summary>A queue that goes by itself some time after the test.</summary>
    protected async Task<string> NewQueueAsync(
        AmqpClient client, string? deadLetters = null, [CallerMemberName] string test = "")
    {
        string queue = NewName(test);
        await client.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = queue,
            Expires = TimeSpan.FromMinutes(5),
            DeadLetterExchange = deadLetters is null ? null : "",
            DeadLetterRoutingKey = deadLetters,
        }), Cancelled);
        return queue;
    }

    /// <summary>The deliveries of a queue, each acknowledged.</summary>
    protected static async Task<ChannelReader<AmqpMessage>> ConsumeAsync(AmqpClient client, string queue)
    {
        var messages = Channel.CreateUnbounded<AmqpMessage>();
        await client.ConsumeAsync(queue, (delivery, _) =>
        {
            messages.Writer.TryWrite(delivery.Message);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        return messages.Reader;
    }

    protected static Task<AmqpMessage> NextAsync(ChannelReader<AmqpMessage> messages) =>
        messages.ReadAsync(Cancelled).AsTask().WaitAsync(Programs.Limit, Cancelled);

    /// <summary>What was added on the way by the broker and by retries.</summary>
    protected static Dictionary<string, Typed> WithoutTraces(IEnumerable<KeyValuePair<string, Typed>> headers) =>
        headers.Where(header => !header.Key.StartsWith("x-", StringComparison.Ordinal)).ToDictionary();

    /// <summary>Fails with every header that is not as it should be.</summary>
    protected static void AssertSame(
        IReadOnlyDictionary<string, Typed> expected, IReadOnlyDictionary<string, Typed> actual)
    {
        var wrong = expected.Keys.Union(actual.Keys)
            .Where(name => !Equals(expected.GetValueOrDefault(name), actual.GetValueOrDefault(name)))
            .Select(name => $"{name}: expected {expected.GetValueOrDefault(name)}, "
                + $"was {actual.GetValueOrDefault(name)}")
            .ToList();
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }
}
