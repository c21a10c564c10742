using System.Collections.Concurrent;
using System.Globalization;
using LocalBroker;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Tests;

/// <summary>What waits for its next attempt is as safe as the queue on which it failed.</summary>
public sealed class RetryQueueTests
{
    private const int Count = 20;

    // Longer than it takes until all of them wait and the node is killed.
    private static readonly TimeSpan Delay = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_waits_for_a_retry_to_a_quorum_queue_comes_again_although_its_node_is_lost()
    {
        Cluster.Require();
        await using PrivateRabbitMqCluster cluster = await PrivateRabbitMqCluster.StartAsync(
            3, cancellationToken: Cancelled);
        // A queue that is not replicated is made on the node that its client is connected to.
        PrivateRabbitMqNode lost = cluster.Nodes[0];
        await using AmqpClient client = await AmqpClient.ConnectAsync(
            new AmqpClientOptions
            {
                Uri = lost.Uri.ToString(),
                Hosts = [.. cluster.Nodes.Skip(1)
                    .Select(node => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{node.Port}"))],
            },
            Cancelled);
        await client.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = "work", Type = AmqpQueueType.Quorum }), Cancelled);
        ConcurrentBag<byte> failed = [], done = [];
        await client.ConsumeAsync("work", (delivery, _) =>
        {
            if (delivery.PreviousAttempts == 0)
            {
                failed.Add(delivery.Body.Span[0]);
                throw new InvalidOperationException("first");
            }
            // One whose acknowledgement was lost with the node comes from the queue itself, as well.
            if (!delivery.IsRedelivered)
                done.Add(delivery.Body.Span[0]);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, Delay) }, Cancelled);
        foreach (AmqpPublishResult result in await client.PublishAllAsync(
            [.. Enumerable.Range(0, Count).Select(i => AmqpMessage.ToQueue("work", new byte[] { (byte)i }))],
            Cancelled))
            result.ThrowIfNotConfirmed();
        Assert.True(await Arena.UntilAsync(async () => await WaitingAsync(client) == Count, Limit));

        await lost.KillAsync(Cancelled);

        Assert.Empty(done);
        Assert.True(await Arena.UntilAsync(() => done.Distinct().Count() == Count, Limit),
            $"{failed.Count} failed, {done.Count} came again");
    }

    private static async Task<long> WaitingAsync(AmqpClient client)
    {
        try
        {
            return (await client.Admin.CountAsync("work.retry.20000", Cancelled)).Messages;
        }
        catch (AmqpTopologyException missing) when (missing.ReplyCode == 404)
        {
            return 0; // it is declared at the first failure
        }
    }
}
