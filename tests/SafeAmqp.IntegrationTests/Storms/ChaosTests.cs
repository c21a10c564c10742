namespace SafeAmqp.IntegrationTests.Storms;

public sealed class ChaosTests(TestBroker broker) : FaultTest(broker)
{
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate, AmqpInFlightPolicy.Report)]
    [InlineData(AmqpConnectionLayout.Shared, AmqpInFlightPolicy.Republish)]
    public async Task Whatever_happens_to_the_link_every_publish_ends_on_time_and_true(
        AmqpConnectionLayout layout, AmqpInFlightPolicy policy)
    {
        const int Publishers = 8;
        var deadline = TimeSpan.FromSeconds(2);
        int seed = Environment.TickCount;
        var random = new Random(seed);
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            (options.Uri, options.Layout, options.InFlight) = (proxy.Uri, layout, policy);
            (options.Heartbeat, options.ConnectTimeout, options.PublishTimeout) =
                (TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(1), deadline);
            (options.MaxReconnectDelay, options.MaxUnconfirmedMessages, options.MaxPendingMessages) =
                (TimeSpan.FromMilliseconds(200), 200, 400);
        });
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(reader), own = await NewQueueAsync(reader);
        var history = new History(Publishers);
        TaskCompletionSource last = await RecordAsync(reader, queue, history);
        int handled = 0;
        await amqp.ConsumeAsync(own, (_, _) =>
        {
            Interlocked.Increment(ref handled);
            return new ValueTask<AmqpSettlement>(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        using var stop = new CancellationTokenSource();
        long longest = 0;
        var load = Task.WhenAll(Enumerable.Range(0, Publishers).Select(publisher => Task.Run(async () =>
        {
            var own = new Random(seed + publisher);
            var inFlight = new Queue<Task<Ending>>();
            for (int number = 0; !stop.IsCancellationRequested; number++)
            {
                var cancel = new CancellationTokenSource();
                inFlight.Enqueue(
                    TimedAsync(publisher, number, own.Next(50) == 0 ? 5000 : History.BodySize, cancel.Token));
                if (own.Next(10) == 0)
                    cancel.CancelAfter(own.Next(20));
                if (inFlight.Count >= 60 && await inFlight.Dequeue() == Ending.Disposed)
                    break;
            }
            await Task.WhenAll(inFlight);
        })));

        int faults = 0;
        long start = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(start) < Duration)
        {
            switch (random.Next(7))
            {
                case 0:
                    proxy.Reset();
                    break;
                case 1:
                    proxy.FreezeOpenConnections();
                    break;
                case 2:
                    proxy.ToBroker.CutAfter(random.Next(20_000));
                    break;
                case 3:
                    proxy.ToClient.CutAfter(random.Next(500));
                    break;
                case 4:
                    proxy.ToClient.Paused = true;
                    await Task.Delay(random.Next(1500), Cancelled);
                    proxy.ToClient.Paused = false;
                    break;
                case 5:
                    proxy.ToBroker.Paused = true;
                    await Task.Delay(random.Next(1500), Cancelled);
                    proxy.Reset();
                    proxy.ToBroker.Paused = false;
                    break;
                default:
                    proxy.Refuse = true;
                    proxy.Reset();
                    await Task.Delay(random.Next(300), Cancelled);
                    proxy.Refuse = false;
                    break;
            }
            faults++;
            await Task.Delay(random.Next(400), Cancelled);
        }
        proxy.Reset(); // what is frozen
        await UntilAsync(() => amqp.Status.IsReady);
        int before = history.Count(Ending.Confirmed);
        await UntilAsync(
            () => Task.FromResult(history.Count(Ending.Confirmed)),
            count => count > before + 500,
            $"500 more than {before} confirmed; {history}; seed {seed}");
        await stop.CancelAsync();
        await load.WaitAsync(Limit, Cancelled);
        await DrainAsync(reader, queue, last);
        string summary = $"{history}; {faults} faults, seed {seed}";
        TestContext.Current.TestOutputHelper?.WriteLine(summary);
        history.Verify(mayRepeat: policy == AmqpInFlightPolicy.Republish);
        Assert.True(
            TimeSpan.FromTicks(longest) < deadline + Margin,
            $"a publish took {TimeSpan.FromTicks(longest)}: {summary}");
        Assert.True(faults > 10 && amqp.Status.Links[0].Epoch > 5, summary);
        Assert.True(history.Count(Ending.Confirmed) > 1000, summary);
        if (policy == AmqpInFlightPolicy.Report)
            Assert.True(history.Count(Ending.Unknown) > 0, summary);
        else
            Assert.True(history.Deliveries > history.DistinctDelivered, $"nothing was published again: {summary}");
        await UntilAsync(() => amqp.Status.Links[0] is { QueuedMessages: 0, UnconfirmedMessages: 0 });
        int handledBefore = Volatile.Read(ref handled);
        await reader.PublishAsync(AmqpMessage.ToQueue(own, []), Cancelled); // its consumer lives
        await UntilAsync(() => Volatile.Read(ref handled) > handledBefore);
        await UntilAsync(() => proxy.Open == (layout == AmqpConnectionLayout.Shared ? 1 : 2));

        async Task<Ending> TimedAsync(int publisher, int number, int size, CancellationToken token)
        {
            long begin = TimeProvider.System.GetTimestamp();
            Ending ending = await history.PublishAsync(amqp, queue, publisher, number, size, token)
                .ConfigureAwait(false);
            long took = TimeProvider.System.GetElapsedTime(begin).Ticks;
            for (long known = Volatile.Read(ref longest); took > known; known = Volatile.Read(ref longest))
                Interlocked.CompareExchange(ref longest, took, known);
            return ending;
        }
    }
}
