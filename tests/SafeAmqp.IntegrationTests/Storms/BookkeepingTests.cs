namespace SafeAmqp.IntegrationTests.Storms;

public sealed class BookkeepingTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpInFlightPolicy.Report)]
    [InlineData(AmqpInFlightPolicy.Republish)]
    public async Task After_thousands_of_random_faults_nothing_is_left_on_the_books(AmqpInFlightPolicy policy)
    {
        const int Publishers = 10, Each = 2000, KillEvery = 1000;
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.InFlight, options.MaxReconnectDelay,
            options.MaxPendingMessages, options.MaxUnconfirmedMessages)
            = (proxy.Uri, policy, TimeSpan.FromMilliseconds(100), 200, 50));
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(reader), full = NewName(), missing = NewName();
        await reader.DeclareAsync(new AmqpTopology()
            .With(new AmqpQueue { Name = full, MaxLength = 1, Overflow = AmqpOverflow.RejectPublish }), Cancelled);
        await reader.PublishAsync(AmqpMessage.ToQueue(full, []), Cancelled);
        var history = new History(Publishers, Each);
        TaskCompletionSource last = await RecordAsync(reader, queue, history);
        var unobserved = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        EventHandler<UnobservedTaskExceptionEventArgs> observe = (_, e) => unobserved.Enqueue(e.Exception);
        GC.Collect(); // what earlier tests left behind is not this one's
        GC.WaitForPendingFinalizers();
        TaskScheduler.UnobservedTaskException += observe;
        AtTheEnd(() =>
        {
            TaskScheduler.UnobservedTaskException -= observe;
            return Task.CompletedTask;
        });
        int attempted = 0, killed = 0;
        await Task.WhenAll(Enumerable.Range(0, Publishers).Select(publisher => Task.Run(async () =>
        {
            var random = new Random(publisher);
            var inFlight = new Queue<Task>();
            for (int number = 0; number < Each; number++)
            {
                string to = random.Next(10) switch { 0 or 1 => NewName(), 2 or 3 => full, _ => queue };
                var cancel = new CancellationTokenSource();
                bool toMissingExchange = random.Next(100) == 0;
                history.Attempted(publisher, number);
                AmqpMessage message = toMissingExchange
                    ? AmqpMessage.ToExchange(missing, "", history.Body(publisher, number))
                    : AmqpMessage.ToQueue(to, history.Body(publisher, number));
                inFlight.Enqueue(EndAsync(amqp.PublishAsync(message, cancel.Token), publisher, number, cancel.Token));
                if (Interlocked.Increment(ref attempted) % KillEvery == 0 && proxy.Reset() > 0)
                    Interlocked.Increment(ref killed);
                if (random.Next(10) < 3)
                    _ = Task.Run(cancel.Cancel, Cancelled);
                if (inFlight.Count >= 20)
                    await inFlight.Dequeue();
            }
            await Task.WhenAll(inFlight);
        }))).WaitAsync(TimeSpan.FromSeconds(90), Cancelled);
        await DrainAsync(reader, queue, last);
        history.Verify(mayRepeat: policy == AmqpInFlightPolicy.Republish);
        foreach (Ending ending in (Ending[])[
            Ending.Returned, Ending.Nacked, Ending.Refused, Ending.Cancelled, Ending.Confirmed])
            Assert.True(history.Count(ending) > 10, $"too few {ending}: {history}");
        if (policy == AmqpInFlightPolicy.Report)
            Assert.True(history.Count(Ending.Unknown) > 10, history.ToString());
        Assert.True(killed >= 3, $"{killed} kills");
        await UntilAsync(() => amqp.Status.IsReady);
        await UntilAsync(() => amqp.Status.Links.All(
            link => link is { QueuedMessages: 0, UnconfirmedMessages: 0, PendingCalls: 0, OldestQueued: null }));
        // The whole credit is back: as many as the bound go at once, without waiting for a turn.
        IReadOnlyList<AmqpPublishResult> results = await amqp.PublishAllAsync(
            [.. Enumerable.Range(0, 200).Select(_ => AmqpMessage.Broadcast("amq.fanout", []))], Cancelled);
        Assert.All(results, result => Assert.True(result.IsConfirmed));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // Every task that the lost connections left behind was looked after, but those inside RabbitMQ.Client: it
        // leaves the answer to an RPC whose sending failed, an exception that was set and never thrown, unobserved.
        Assert.DoesNotContain(unobserved, error =>
            error.InnerException is not RabbitMQ.Client.Exceptions.OperationInterruptedException { StackTrace: null });
        TestContext.Current.TestOutputHelper?.WriteLine($"{history}; {killed} kills");

        async Task EndAsync(ValueTask publish, int publisher, int number, CancellationToken token)
            => history.Ended(publisher, number, await EndOf(publish), token);
    }

    [Fact]
    public async Task A_flood_while_the_broker_blocks_stays_under_the_bound_of_bytes()
    {
        const int Size = 16 << 10, Bound = 8 << 20, Callers = 1500;
        AmqpClient amqp = await ConnectAsync(
            options => (options.MaxPendingBytes, options.PublishTimeout) = (Bound, TimeSpan.FromMinutes(1)));
        string queue = await NewQueueAsync(amqp);
        Task found = await BlockAsync(amqp);
        byte[] body = new byte[Size];
        long before = GC.GetTotalMemory(forceFullCollection: true);
        Task[] flood = [.. Enumerable.Range(0, Callers)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, body), Cancelled).AsTask())];
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages > 0);
        await UntilAsync(() => amqp.Status.Links[0].BlockedFor > TimeSpan.FromSeconds(2));
        AmqpLinkStatus status = amqp.Status.Links[0];
        Assert.NotNull(status.BlockedReason);
        Assert.InRange(
            (long)(status.QueuedMessages + status.UnconfirmedMessages) * Size, Bound - 2 * Size, Bound + Size);
        Assert.True(flood.Count(publish => publish.IsCompleted) <= 1);
        long grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        // the callers themselves, their tasks, and nothing else
        Assert.True(grown < Bound + Callers * 2048, $"grown by {grown} bytes");
        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        await Task.WhenAll(flood.Append(found)).WaitAsync(TimeSpan.FromSeconds(60), Cancelled);
        Assert.Equal(Callers, await MessagesInAsync(queue));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
        await Broker.Node.DeleteQueueAsync(queue, Cancelled);
    }

    [Fact]
    public async Task A_flood_that_fails_at_the_bound_is_told_so_and_the_rest_arrives()
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.MaxPendingMessages, options.FullMode) = (500, AmqpFullMode.Fail));
        string queue = await NewQueueAsync(amqp);
        var history = new History(8, 5000);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history, prefetch: 2000);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(publisher => Task.Run(async () =>
        {
            for (int number = 0; number < 5000;)
            {
                Task[] burst = [
                    .. Enumerable.Range(0, 100).Select(_ => history.PublishAsync(amqp, queue, publisher, number++))];
                await Task.WhenAll(burst);
            }
        }))).WaitAsync(TimeSpan.FromSeconds(60), Cancelled);
        await UntilAsync(() => amqp.Status.Links[0] is { QueuedMessages: 0, UnconfirmedMessages: 0 });
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(40_000, history.Count(Ending.Confirmed) + history.Count(Ending.NotSent));
        Assert.True(history.Count(Ending.NotSent) > 100, history.ToString());
        Assert.True(history.Count(Ending.Confirmed) > 100, history.ToString());
    }
}
