using System.Collections.Concurrent;
using LocalBroker;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Tests;

/// <summary>What the broker does to a consumer is told from what its client does, by the broker's own word.</summary>
public sealed class ForgottenConsumerTests : IAsyncLifetime
{
    private const int Count = 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly ConcurrentQueue<AmqpDelivery> _came = [];
    private PrivateRabbitMqNode _node = null!;
    private AmqpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        Cluster.Require();
        _node = await PrivateRabbitMqNode.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        _client = new AmqpClient(new AmqpClientOptions { Uri = _node.Uri.ToString(), ClientName = "anna" });
        await _client.OpenAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_consumer_whose_queue_was_replaced_unheard_counts_as_forgotten_unless_it_receives()
    {
        const string queue = "forgotten";
        AmqpTopology topology = new AmqpTopology().With(new AmqpQueue { Name = queue, Type = AmqpQueueType.Quorum });
        await _client.DeclareAsync(topology, TestContext.Current.CancellationToken);
        AmqpSubscription subscription = await _client.ConsumeAsync(queue, (delivery, _) =>
        {
            _came.Enqueue(delivery);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: TestContext.Current.CancellationToken);
        string channel = await ConsumersChannelAsync();
        await DoAsync("suspend", channel);
        await _node.EvaluateAsync("{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"/\">>, "
            + $"queue, <<\"{queue}\">>)), {{ok, _}} = rabbit_amqqueue:delete(Q, false, false, <<\"test\">>), []",
            TestContext.Current.CancellationToken);
        await _client.DeclareAsync(topology, TestContext.Current.CancellationToken);
        await DoAsync("resume", channel);
        await PublishAsync(queue);

        IReadOnlyList<ForgottenConsumer> forgotten = [];
        Assert.True(await Arena.UntilAsync(async () =>
        {
            forgotten = await ForgottenConsumer.FindAsync(_node, queue);
            return forgotten.Count > 0 || _came.Count == Count;
        }, Limit));
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join("\n", forgotten));
        if (forgotten.Count == 0)
            return; // a broker that does better
        Assert.Equal("anna:receive", Assert.Single(forgotten).Connection);
        Assert.Equal(AmqpConsumerState.Live, subscription.State); // as far as anybody has told its client
        Assert.Empty(_came);
        await _node.CloseConnectionAsync(forgotten[0].ConnectionPid, "test", TestContext.Current.CancellationToken);
        Assert.True(await Arena.UntilAsync(() => _came.Count == Count, Limit)); // nothing is lost
        // once the broker has counted anew
        Assert.True(
            await Arena.UntilAsync(async () => (await ForgottenConsumer.FindAsync(_node, queue)).Count == 0, Limit));
    }

    [Fact]
    public async Task A_consumer_that_takes_its_messages_and_does_not_settle_them_is_not_forgotten()
    {
        const string queue = "held";
        await _client.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Type = AmqpQueueType.Quorum }),
            TestContext.Current.CancellationToken);
        await _client.ConsumeAsync(queue, async (delivery, lost) =>
        {
            _came.Enqueue(delivery);
            await Task.Delay(Timeout.Infinite, lost);
            return AmqpSettlement.Ack;
        }, new AmqpConsumerOptions { Prefetch = 5, Concurrency = 5 }, TestContext.Current.CancellationToken);
        await PublishAsync(queue);
        Assert.True(await Arena.UntilAsync(() => _came.Count == 5, Limit));
        Assert.Empty(await ForgottenConsumer.FindAsync(_node, queue));
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    private async Task PublishAsync(string queue)
    {
        foreach (AmqpPublishResult result in await _client.PublishAllAsync(
            [.. Enumerable.Range(0, Count).Select(i => AmqpMessage.ToQueue(queue, new byte[] { (byte)i }))],
            TestContext.Current.CancellationToken))
            result.ThrowIfNotConfirmed();
    }

    /// <summary>The broker's end of the only channel that consumes.</summary>
    private Task<string> ConsumersChannelAsync() => _node.EvaluateAsync(
        "[Channel] = [element(1, C) || Q <- rabbit_amqqueue:list(), C <- rabbit_amqqueue:consumers(Q)], "
            + "rabbit_misc:pid_to_string(Channel)", TestContext.Current.CancellationToken);

    private Task<string> DoAsync(string what, string channel)
        => _node.EvaluateAsync(
            $"ok = sys:{what}(rabbit_misc:string_to_pid(\"{channel}\")), []", TestContext.Current.CancellationToken);
}
