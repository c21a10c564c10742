namespace SafeAmqp.FaultTests.Broker;

public sealed class MissedHeartbeatTests : FaultCase
{
    [Fact]
    public async Task A_broker_that_misses_our_heartbeats_drops_us_and_we_come_back_with_one_consumer_each()
    {
        AmqpTestBroker broker = await BrokerAsync();
        var relay = Own(new Relay(broker.Port));
        AmqpClient client = NewClient(relay.Uri, options => options.Heartbeat = TimeSpan.FromSeconds(2));
        await client.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        var handled = new System.Collections.Concurrent.ConcurrentQueue<int>();
        await client.ConsumeAsync("q", (delivery, _) =>
        {
            handled.Enqueue(delivery.Body.Span[0]);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        relay.HoldToBroker = true; // heartbeats go into the dark, those of the broker come
        await broker.WaitUntilAsync(
            view => view.Events.Count(e => e.Name == "connection.closed") >= 2, TimeSpan.FromSeconds(40), Cancelled);
        relay.HoldToBroker = false;
        for (byte number = 1; number <= 20; number++)
        {
            while (await EndOf(client.PublishAsync(AmqpMessage.ToQueue("q", new[] { number }), Cancelled)) is { } error)
                Assert.IsAssignableFrom<AmqpException>(error);
        }
        await UntilAsync(() => handled.Distinct().Count() == 20);
        await broker.WaitUntilAsync(
            view => view.Connections.Count == 2 && view.ConsumerCount("q") == 1 && view.UnacknowledgedCount("q") == 0
                && view.ReadyCount("q") == 0,
            cancellationToken: Cancelled);
        Assert.All(client.Status.Links, link => Assert.True(link.Epoch >= 2, "It was not dropped."));
    }
}
