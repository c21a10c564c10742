namespace SafeAmqp.Testing.Tests.Throughput;

public sealed class ManyConnections
{
    private const int Count = 1_000;

    [Fact]
    public async Task A_thousand_connections_at_once_each_have_their_message_taken()
    {
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: cancelled);
        RawClient[] clients = await Task.WhenAll(
            Enumerable.Range(0, Count).Select(_ => RawClient.OpenAsync(broker.Uri)));
        Assert.Equal(Count, await broker.LookAsync(view => view.Connections.Count));
        await clients[0].CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await Task.WhenAll(clients.Select(client => client.SendAsync(RawClient.Publish(1, "", "q", [1, 2, 3]))));
        await broker.WaitUntilAsync(view => view.ReadyCount("q") == Count, cancellationToken: cancelled);
        foreach (RawClient client in clients)
            client.Dispose();
        await broker.WaitUntilAsync(view => view.Connections.Count == 0, cancellationToken: cancelled);
    }
}
