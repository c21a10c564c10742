namespace SafeAmqp.IntegrationTests.Recovery;

public sealed class LostConnectionTests(TestBroker broker) : FaultTest(broker)
{
    [Fact]
    [Trait("Broker", "3.10")]
    public async Task When_the_send_connection_is_killed_consuming_goes_on_over_the_other()
    {
        AmqpClient amqp = await ConnectAsync();
        AmqpClient other = await ConnectAsync(options => options.ClientName = "test-other");
        string queue = await NewQueueAsync(amqp);
        var history = new History(1, 1000);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history);
        for (int i = 0; i < 500; i++)
            await history.PublishAsync(other, queue, 0, i, cancellationToken: Cancelled);
        await KillAsync("send");
        for (int i = 500; i < 1000; i++)
            await history.PublishAsync(other, queue, 0, i, cancellationToken: Cancelled);
        await UntilAsync(() => amqp.Status.Links[0] is { Epoch: > 1, State: AmqpLinkState.Open });
        Assert.NotNull(amqp.Status.Links[0].LastError);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(1000, history.Deliveries); // none twice: the consumer was never touched
        Assert.Equal(1, amqp.Status.Links[1].Epoch);
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task When_the_receive_connection_is_killed_publishing_goes_on_over_the_other()
    {
        Broker.NeedControl();
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var history = new History(1);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history, prefetch: 50);
        int number = 0;
        async Task PublishAsync(Func<bool> enough)
        {
            for (int first = number; number < first + 200 || !enough(); number++)
                await history.PublishAsync(amqp, queue, 0, number, cancellationToken: Cancelled);
        }
        await PublishAsync(() => true);
        Task back = UntilAsync(() => amqp.Status.Links[1] is { Epoch: > 1, State: AmqpLinkState.Open });
        Task killed = KillAsync("receive");
        await PublishAsync(() => back.IsCompleted);
        await killed;
        await back;
        await PublishAsync(() => true);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(number, history.Count(Ending.Confirmed)); // not one was disturbed
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task When_all_connections_are_killed_under_load_nothing_confirmed_is_lost_and_each_end_is_true(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Layout = layout);
        string queue = await NewQueueAsync(amqp);
        var history = new History(8);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history);
        using var stop = new CancellationTokenSource();
        Task load = LoadAsync(amqp, queue, history, publishers: 8, stop.Token);
        // Three times, and as often as it takes to catch a publish under way.
        for (int round = 1; round <= 3 || (round <= 20 && history.Count(Ending.Unknown) == 0); round++)
        {
            int confirmed = history.Count(Ending.Confirmed);
            await UntilAsync(() => history.Count(Ending.Confirmed) > confirmed + 500);
            await Broker.Node.CloseAllConnectionsAsync("test", Cancelled);
            await UntilAsync(
                () => amqp.Status.Links.All(link => link.Epoch > round && link.State == AmqpLinkState.Open));
        }
        int before = history.Count(Ending.Confirmed);
        await UntilAsync(() => history.Count(Ending.Confirmed) > before + 500);
        await stop.CancelAsync();
        await load;
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.True(history.Count(Ending.Unknown) > 0, $"no publish was in flight: {history}");
        Assert.Equal(history.Attempts, history.Count(Ending.Confirmed) + history.Count(Ending.Unknown));
    }

    [Fact]
    public async Task A_connection_killed_forty_times_under_load_loses_nothing_confirmed()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(
            options => (options.Uri, options.MaxReconnectDelay) = (proxy.Uri, TimeSpan.FromMilliseconds(200)));
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(reader);
        var history = new History(16);
        TaskCompletionSource last = await RecordAsync(reader, queue, history);
        using var stop = new CancellationTokenSource();
        Task load = LoadAsync(amqp, queue, history, publishers: 16, stop.Token);
        int epoch = 0;
        for (int round = 0; round < 40; round++)
        {
            // The next link, and one that is open: what is only being made the proxy may not know yet.
            AmqpLinkStatus link = await UntilAsync(() => Task.FromResult(amqp.Status.Links[0]),
                next => next.State == AmqpLinkState.Open && next.Epoch > epoch);
            epoch = link.Epoch;
            int confirmed = history.Count(Ending.Confirmed);
            await UntilAsync(() => history.Count(Ending.Confirmed) > confirmed + 125);
            Assert.InRange(proxy.Reset(), 1, 2);
        }
        await UntilAsync(() => amqp.Status.IsReady);
        int during = history.Count(Ending.Confirmed);
        await UntilAsync(
            () => Task.FromResult(history.Count(Ending.Confirmed)),
            count => count > during + 1000,
            $"1000 more than {during} confirmed");
        await stop.CancelAsync();
        await load;
        await DrainAsync(reader, queue, last);
        history.Verify();
        Assert.True(amqp.Status.Links[0].Epoch > 40, $"epoch {amqp.Status.Links[0].Epoch}");
        Assert.True(history.Count(Ending.Unknown) >= 35, $"{history}");
        Assert.True(during > 5000, $"only {during} confirmed while it was being killed");
        Assert.Equal(history.Attempts, history.Count(Ending.Confirmed) + history.Count(Ending.Unknown));
        Assert.Equal((0, 0), (amqp.Status.Links[0].QueuedMessages, amqp.Status.Links[0].UnconfirmedMessages));
    }

    [Fact]
    public async Task Twenty_reconnects_leave_no_connection_behind()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(
            options => (options.Uri, options.MaxReconnectDelay) = (proxy.Uri, TimeSpan.FromMilliseconds(100)));
        for (int round = 1; round <= 20; round++)
        {
            Assert.Equal(2, proxy.Reset());
            await UntilAsync(
                () => amqp.Status.Links.All(link => link.Epoch > round && link.State == AmqpLinkState.Open));
        }
        Assert.Equal(2, proxy.Open);
        await UntilAsync(() => ConnectionsAsync(), connections => connections.Count == 2);
        await amqp.PublishAsync(AmqpMessage.ToQueue(await NewQueueAsync(amqp), []), Cancelled);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_cut_within_a_message_loses_at_most_what_is_reported(bool toBroker)
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(
            options => (options.Uri, options.MaxReconnectDelay) = (proxy.Uri, TimeSpan.FromMilliseconds(100)));
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(reader);
        var history = new History(1, 40 * 51);
        TaskCompletionSource last = await RecordAsync(reader, queue, history);
        for (int round = 0; round < 40; round++)
        {
            int epoch = amqp.Status.Links[0].Epoch;
            // a publish of 1 KiB is three frames, a confirm may be all of 21 bytes
            (toBroker ? proxy.ToBroker : proxy.ToClient).CutAfter(1 + (toBroker ? round * 211 : round % 21));
            int first = round * 51;
            await Task.WhenAll(Enumerable.Range(first, 50)
                .Select(number => history.PublishAsync(amqp, queue, 0, number, size: 1024)))
                .WaitAsync(Limit, Cancelled);
            await UntilAsync(() => amqp.Status.IsReady && amqp.Status.Links.Sum(link => link.Epoch) > 2 + round);
            await history.PublishAsync(amqp, queue, 0, first + 50, cancellationToken: Cancelled);
        }
        await DrainAsync(reader, queue, last);
        history.Verify();
        Assert.True(history.Count(Ending.Unknown) >= 10, history.ToString());
        Assert.True(history.Count(Ending.Confirmed) >= 40, history.ToString());
    }

    internal static async Task LoadAsync(
        AmqpClient amqp, string queue, History history, int publishers, CancellationToken stop)
        => await Task.WhenAll(Enumerable.Range(0, publishers).Select(publisher => Task.Run(async () =>
        {
            var inFlight = new Queue<Task<Ending>>();
            for (int number = 0; !stop.IsCancellationRequested; number++)
            {
                inFlight.Enqueue(history.PublishAsync(amqp, queue, publisher, number));
                if (inFlight.Count == 20 && await inFlight.Dequeue() == Ending.Disposed)
                    break;
            }
            await Task.WhenAll(inFlight);
        })));
}
