using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Recovery;

/// <summary>The node dies, stops in good order, or freezes.</summary>
public sealed class LostBrokerTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    [Trait("Broker", "3.10")]
    public async Task A_node_killed_under_load_and_started_again_loses_nothing_confirmed(AmqpConnectionLayout layout)
    {
        AtTheEnd(node => node.StartAgainAsync());
        AmqpClient amqp = await ConnectAsync(
            options => (options.Layout, options.PublishTimeout, options.MaxReconnectDelay) = (
                layout, TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1)));
        string queue = await NewQueueAsync(amqp);
        var history = new History(9);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history);
        using var stop = new CancellationTokenSource();
        Task load = LostConnectionTests.LoadAsync(amqp, queue, history, publishers: 8, stop.Token);
        await UntilAsync(() => history.Count(Ending.Confirmed) > 1000);
        // Frozen first, so that it surely dies with a publish unanswered, however quick it is: what is sent from now
        // on.
        await Broker.Node.PauseAsync(Cancelled);
        Task<Ending> unanswered = history.PublishAsync(amqp, queue, 8, 0, cancellationToken: Cancelled);
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 8 * 20 + 1);
        await Broker.Node.KillAsync(Cancelled);
        await UntilAsync(
            () => amqp.Status.Links.All(link => link.State is AmqpLinkState.Waiting or AmqpLinkState.Connecting));
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 8 * 20); // everybody waits
        await Broker.Node.StartAgainAsync(Cancelled);
        int before = history.Count(Ending.Confirmed);
        TimeSpan usable = await UntilTimedAsync(() => history.Count(Ending.Confirmed) > before + 1000);
        await stop.CancelAsync();
        await load.WaitAsync(Limit, Cancelled);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(Ending.Unknown, await unanswered.WaitAsync(Limit, Cancelled));
        Assert.Equal(history.Attempts, history.Count(Ending.Confirmed) + history.Count(Ending.Unknown));
        Assert.True(usable < TimeSpan.FromSeconds(8), $"usable {usable} after the node");
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task A_broker_that_stops_in_good_order_is_awaited()
    {
        AtTheEnd(node => node.StartAppAsync());
        AmqpClient amqp = await ConnectAsync(
            options => options.ReconnectDelay = options.MaxReconnectDelay = TimeSpan.FromSeconds(1));
        string queue = await NewQueueAsync(amqp);
        var errors = new ConcurrentQueue<string>(); // each, as the next attempt may follow at once, with another error
        amqp.StateChanged += (_, change) => errors.Enqueue(change.Reason ?? "");
        Task stopping = Broker.Node.StopAppAsync(Cancelled);
        // what the broker said
        await UntilAsync(() => errors.Any(error => error.Contains("320", StringComparison.Ordinal)));
        await stopping;
        await UntilAsync(
            () => amqp.Status.Links.All(link => link.State is AmqpLinkState.Waiting or AmqpLinkState.Connecting));
        Task[] publishes = [.. Enumerable.Range(0, 100)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask())];
        await Broker.Node.StartAppAsync(Cancelled);
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        Assert.Equal(100, await MessagesInAsync(queue));
    }

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task A_broker_frozen_with_5000_publishes_under_way_is_noticed_within_one_and_a_half_heartbeats(
        AmqpConnectionLayout layout)
    {
        TimeSpan heartbeat = TimeSpan.FromSeconds(2), deadline = TimeSpan.FromSeconds(20);
        AmqpClient amqp = await ConnectAsync(options => (options.Layout, options.Heartbeat, options.PublishTimeout,
            options.ConnectTimeout, options.MaxReconnectDelay)
            = (layout, heartbeat, deadline, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1)));
        string queue = await NewQueueAsync(amqp);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        await PauseBrokerAsync();
        long start = TimeProvider.System.GetTimestamp();
        Task<(Exception? Error, TimeSpan Took)>[] publishes = [.. Enumerable.Range(0, 5000).Select(_ =>
            TimedEndOf(() => amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[4096]), Cancelled)))];
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages > 1000);
        await UntilAsync(() => amqp.Status.Links[0].Epoch > 1);
        TimeSpan noticed = TimeProvider.System.GetElapsedTime(start);
        Assert.True(noticed < 1.5 * heartbeat + TimeSpan.FromSeconds(1.5), $"noticed after {noticed}");
        // those that were under way, while the broker is still frozen
        await UntilAsync(() => publishes.Count(publish => publish.IsCompleted) > 1000);
        await Broker.Node.ResumeAsync(Cancelled);
        TimeSpan resumed = await UntilTimedAsync(() => publishes.All(publish => publish.IsCompleted));
        Assert.True(resumed < TimeSpan.FromSeconds(5), $"publishing resumed after {resumed}");
        foreach (var (error, took) in await Task.WhenAll(publishes))
        {
            Assert.True(error is null or AmqpUnknownOutcomeException, error?.ToString());
            Assert.True(took < deadline + TimeSpan.FromSeconds(1));
        }
        int confirmed = publishes.Count(publish => publish.Result.Error is null);
        Assert.InRange(confirmed, 1, 4000); // what had waited here
        // What was unknown may have arrived, what was confirmed did.
        await UntilAsync(() => MessagesInAsync(queue), count => count >= 1 + confirmed && count <= 5001);
    }

    [Fact]
    public async Task A_half_open_link_with_stuck_writes_is_noticed_and_what_waits_goes_over_a_new_one()
    {
        var heartbeat = TimeSpan.FromSeconds(2);
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.Heartbeat) = (proxy.Uri, heartbeat));
        string queue = await NewQueueAsync(amqp);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        Assert.Equal(2, proxy.FreezeOpenConnections()); // later ones pass
        long start = TimeProvider.System.GetTimestamp();
        Task<Exception?>[] ends = [.. Enumerable.Range(0, 1000)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[64 << 10]), Cancelled)))];
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > 1));
        TimeSpan noticed = TimeProvider.System.GetElapsedTime(start);
        Assert.InRange(noticed, heartbeat, 1.5 * heartbeat + TimeSpan.FromSeconds(1.5));
        Exception?[] errors = await Task.WhenAll(ends).WaitAsync(Limit, Cancelled);
        Assert.All(errors, error => Assert.True(error is null or AmqpUnknownOutcomeException, error?.ToString()));
        // 2 MiB that wait for the socket, beside what it holds
        Assert.True(errors.Count(error => error is not null) >= 32, "writes were not stuck");
        Assert.True(errors.Count(error => error is null) > 100, "nothing waited here");
    }

    [Fact]
    public async Task A_slow_link_is_not_taken_for_dead()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(
            options => (options.Uri, options.Heartbeat) = (proxy.Uri, TimeSpan.FromSeconds(2)));
        string queue = await NewQueueAsync(amqp);
        proxy.ToBroker.Delay = proxy.ToClient.Delay = TimeSpan.FromMilliseconds(50);
        Task[] publishes = [.. Enumerable.Range(0, 60)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[64 << 10]), Cancelled).AsTask())];
        (_, TimeSpan took) = await TimedEndOf(() => Task.WhenAll(publishes).WaitAsync(Limit, Cancelled));
        Assert.All(publishes, publish => Assert.True(publish.IsCompletedSuccessfully, publish.Exception?.ToString()));
        Assert.True(took > TimeSpan.FromSeconds(3), $"took {took}: not slower than the watchdog");
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }
}
