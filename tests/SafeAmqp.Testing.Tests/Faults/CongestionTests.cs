namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>A client that does not read what it is sent: more waits for it than the broker keeps.</summary>
public sealed class CongestionTests
{
    private const int Messages = 60;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_congested_connection_whose_client_is_gone_is_ended()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using (await CongestedAsync(broker))
            Assert.Single(await broker.LookAsync(view => view.Connections));
        await broker.WaitUntilAsync(
            view => view.Connections.Count == 0 && view.ConsumerCount("q") == 0, cancellationToken: Cancelled);
    }

    [Fact]
    public async Task A_congested_client_that_reads_again_is_heard_before_all_is_sent()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient client = await CongestedAsync(broker);
        await client.SendAsync(RawClient.Method(1, 60, 30, [.. RawClient.ShortText("c"), 0]));
        while (await client.NextAsync() != "method 60.31 on 1")
        {
        }
        Assert.True(await broker.LookAsync(view => view.ReadyCount("q")) > 0, "Everything was sent.");
    }

    /// <summary>A consumer with a backlog of which a part has not left the queue.</summary>
    private static async Task<RawClient> CongestedAsync(AmqpTestBroker broker)
    {
        using (RawClient publisher = await RawClient.OpenAsync(broker.Uri))
        {
            await publisher.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
            byte[] body = new byte[1_000_000];
            for (int i = 0; i < Messages; i++)
                await publisher.SendAsync(RawClient.Publish(1, "", "q", body));
            await broker.WaitUntilAsync(view => view.ReadyCount("q") == Messages, cancellationToken: Cancelled);
        }
        await broker.WaitUntilAsync(view => view.Connections.Count == 0, cancellationToken: Cancelled);
        RawClient client = await RawClient.OpenAsync(broker.Uri);
        await client.CallAsync(
            1, 60, 20, [0, 0, .. RawClient.ShortText("q"), .. RawClient.ShortText("c"), 2, 0, 0, 0, 0]);
        return client;
    }
}
