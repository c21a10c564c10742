namespace SafeAmqp.FaultTests.Broker;

/// <summary>SAFEAMQP_FLAPPING_SECONDS says for how long; 10 in CI.</summary>
public sealed class FlappingHostsTests : FaultCase
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate, 2)]
    [InlineData(AmqpConnectionLayout.Shared, 1)]
    public async Task Hosts_that_come_and_go_lose_nothing_confirmed_and_leave_no_connection_behind(
        AmqpConnectionLayout layout, int connections)
    {
        var time = TimeSpan.FromSeconds(Number("SAFEAMQP_FLAPPING_SECONDS", 10));
        AmqpTestBroker broker = await BrokerAsync(new AmqpTestBrokerOptions { HistoryCapacity = 0 });
        var one = Own(new Relay(broker.Port));
        var other = Own(new Relay(broker.Port));
        // The first host is dead for good, the others are two ways to one broker, each up for 200 ms and down for 200
        // ms, not in step.
        AmqpClient client = NewClient("amqp://guest:guest@127.0.0.1:1/%2F", options =>
        {
            options.Layout = layout;
            options.Hosts = [$"127.0.0.1:{one.Port}", $"127.0.0.1:{other.Port}"];
            options.ReconnectDelay = TimeSpan.FromMilliseconds(20);
            options.MaxReconnectDelay = TimeSpan.FromMilliseconds(400);
            options.ConnectTimeout = TimeSpan.FromSeconds(2);
        });
        await client.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        var received = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        await client.ConsumeAsync("q", (delivery, _) =>
        {
            received[delivery.Message.MessageId!] = true;
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        using var end = new CancellationTokenSource(time);
        int resets = 0, unknown = 0;
        var confirmed = new List<string>();
        var flapping = Task.WhenAll(FlapAsync(one, TimeSpan.Zero), FlapAsync(other, TimeSpan.FromMilliseconds(130)));
        for (int number = 0; !end.IsCancellationRequested; number++)
        {
            string id = $"m{number}";
            Exception? error = await EndOf(
                client.PublishAsync(AmqpMessage.ToQueue("q", []) with { MessageId = id }, Cancelled));
            if (error is null)
                confirmed.Add(id);
            else
                Assert.IsType<AmqpUnknownOutcomeException>(error);
            unknown += error is null ? 0 : 1;
        }
        await flapping;
        one.Refuse = other.Refuse = false;
        await client.PublishAsync(AmqpMessage.ToQueue("q", []) with { MessageId = "last" }, Cancelled);
        await UntilAsync(() => received.ContainsKey("last") && confirmed.TrueForAll(received.ContainsKey));
        // Given up ones are gone from the broker, whatever state they were in.
        await broker.WaitUntilAsync(
            view => view.Connections.Count == connections && view.ConsumerCount("q") == 1,
            cancellationToken: Cancelled);
        Figure($"{time.TotalSeconds} s: {one.Accepted + other.Accepted} attempts that reached a host, {resets} "
            + $"links reset, {confirmed.Count} confirmed, {unknown} unknown, {connections} connections at the end");
        Assert.True(resets >= 5, "The hosts did not flap under a link.");
        Assert.True(confirmed.Count > 50);
        // Backing off: with a wait of nothing there would be thousands.
        Assert.True(one.Accepted + other.Accepted < time.TotalSeconds * 60 * connections, "It hammers.");

        async Task FlapAsync(Relay relay, TimeSpan behind)
        {
            await Task.Delay(behind, Cancelled);
            while (!end.IsCancellationRequested)
            {
                relay.Refuse = true;
                Interlocked.Add(ref resets, relay.ResetAll());
                await Task.Delay(200, Cancelled); // the fault itself
                relay.Refuse = false;
                await Task.Delay(200, Cancelled);
            }
        }
    }

    [Fact]
    public async Task With_all_hosts_dead_attempts_grow_rare_and_each_host_has_its_turn()
    {
        var one = Own(new Relay(1) { Refuse = true });
        var other = Own(new Relay(1) { Refuse = true });
        AmqpClient client = NewClient(one.Uri, options =>
        {
            options.Layout = AmqpConnectionLayout.Shared;
            options.Hosts = [$"127.0.0.1:{other.Port}"];
            options.ReconnectDelay = TimeSpan.FromMilliseconds(1);
            options.MaxReconnectDelay = TimeSpan.FromMilliseconds(500);
        });
        client.Start();
        await UntilAsync(() => one.Accepted >= 10 && other.Accepted >= 10);
        Assert.InRange(one.Accepted - other.Accepted, -2, 2);
        AmqpLinkStatus link = client.Status.Links[0];
        Assert.True(link.RecoveryAttempt >= 18 && link.LastError is not null);
        long start = TimeProvider.System.GetTimestamp();
        await client.DisposeAsync();
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(1));
    }
}
