namespace SafeAmqp.IntegrationTests.Disposal;

public sealed class DisposalTests(TestBroker broker) : FaultTest(broker)
{
    private static readonly TimeSpan Shutdown = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Bound = Shutdown + TimeSpan.FromSeconds(2);

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task What_was_published_before_is_confirmed(AmqpConnectionLayout layout)
    {
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(reader);
        TimeSpan patience = 20 * Shutdown; // never used up, however long a busy machine takes for the confirms
        AmqpClient amqp = await ConnectAsync(
            options => (options.Layout, options.ShutdownTimeout) = (layout, patience));
        await PauseBrokerAsync(); // however quick it is, something is left to be confirmed
        Task[] publishes = [.. Enumerable.Range(0, 500)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask())];
        Task<(Exception? Error, TimeSpan Took)> disposing = TimedEndOf(amqp.DisposeAsync);
        Assert.Contains(publishes, publish => !publish.IsCompleted);
        await Broker.Node.ResumeAsync(Cancelled);
        var (error, took) = await disposing;
        Assert.Null(error);
        Assert.All(publishes, publish => Assert.True(publish.IsCompletedSuccessfully, publish.Exception?.ToString()));
        Assert.Equal(500, await MessagesInAsync(queue));
        Assert.True(took < patience, $"took {took}");
        Assert.All(amqp.Status.Links, link => Assert.Equal(AmqpLinkState.Closed, link.State));
    }

    [Fact]
    public async Task What_waits_for_credit_ends_as_not_sent_or_disposed()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxPendingMessages = 1);
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task<Exception?> sent = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        Task<Exception?>[] waiting = [.. Enumerable.Range(0, 50)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled)))];
        await DisposeAsync(amqp);
        Assert.IsType<AmqpUnknownOutcomeException>(await sent.WaitAsync(Margin, Cancelled));
        Assert.All(
            await Task.WhenAll(waiting).WaitAsync(Margin, Cancelled),
            end => Assert.True(end is AmqpNotSentException or ObjectDisposedException, end?.ToString()));
        await Broker.Node.ResumeAsync(Cancelled);
        await UntilAsync(() => ConnectionsAsync(), connections => connections.Count == 0);
        Assert.InRange(await MessagesInAsync(queue), 0, 1); // nothing of what was not sent
    }

    [Fact]
    public async Task With_the_broker_frozen_what_was_sent_is_unknown_and_what_was_not_says_so()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxUnconfirmedMessages = 10);
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task<Exception?>[] ends = [.. Enumerable.Range(0, 100)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled)))];
        await UntilAsync(() => amqp.Status.Links[0] is { UnconfirmedMessages: 10, QueuedMessages: 90 });
        await DisposeAsync(amqp);
        Exception?[] errors = await Task.WhenAll(ends).WaitAsync(Margin, Cancelled);
        Assert.All(errors.Take(10), end => Assert.IsType<AmqpUnknownOutcomeException>(end));
        Assert.All(errors.Skip(10), end => Assert.IsType<AmqpNotSentException>(end));
        await Broker.Node.ResumeAsync(Cancelled);
        await UntilAsync(() => ConnectionsAsync(), connections => connections.Count == 0);
        Assert.InRange(await MessagesInAsync(queue), 0, 10); // nothing of what was not sent
    }

    [Fact]
    public async Task With_publishing_blocked_what_was_sent_is_unknown_and_what_was_not_says_so()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        Task<Exception?> found = EndOf(await BlockAsync(amqp));
        Task<Exception?>[] waiting = [.. Enumerable.Range(0, 10)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled)))];
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 10);
        await DisposeAsync(amqp);
        Assert.True(await found.WaitAsync(Margin, Cancelled) is null or AmqpUnknownOutcomeException);
        Assert.All(
            await Task.WhenAll(waiting).WaitAsync(Margin, Cancelled), end => Assert.IsType<AmqpNotSentException>(end));
    }

    [Theory]
    [InlineData(false, AmqpConnectionLayout.Separate)]
    [InlineData(true, AmqpConnectionLayout.Separate)]
    [InlineData(false, AmqpConnectionLayout.Shared)]
    [InlineData(true, AmqpConnectionLayout.Shared)]
    public async Task A_handler_may_dispose_the_client_that_runs_it(bool frozen, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => (options.ShutdownTimeout, options.Layout) = (Shutdown, layout));
        string queue = await NewQueueAsync(amqp);
        using var go = new SemaphoreSlim(0);
        var disposed = new TaskCompletionSource<TimeSpan>();
        var begun = new TaskCompletionSource();
        await amqp.ConsumeAsync(queue, async (_, _) =>
        {
            begun.TrySetResult();
            await go.WaitAsync(CancellationToken.None);
            disposed.TrySetResult((await TimedEndOf(amqp.DisposeAsync)).Took);
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        await begun.Task.WaitAsync(Limit, Cancelled);
        if (frozen)
            await PauseBrokerAsync();
        go.Release();
        TimeSpan took = await disposed.Task.WaitAsync(Limit, Cancelled);
        Assert.True(took < Bound, $"took {took}");
    }

    [Fact]
    public async Task The_continuation_of_a_publish_may_dispose()
    {
        AmqpClient amqp = await ConnectAsync(options => options.ShutdownTimeout = Shutdown);
        string queue = await NewQueueAsync(amqp);
        var disposed = new TaskCompletionSource<TimeSpan>();
        _ = ContinueAsync();
        Assert.True(await disposed.Task.WaitAsync(Limit, Cancelled) < Bound);

        async Task ContinueAsync()
        {
            await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).ConfigureAwait(false);
            long start = TimeProvider.System.GetTimestamp();
            amqp.DisposeAsync().AsTask().Wait(Cancelled); // even one that blocks the thread it was given
            disposed.SetResult(TimeProvider.System.GetElapsedTime(start));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_callback_of_a_token_may_dispose(bool frozen)
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.ShutdownTimeout, options.MaxUnconfirmedMessages) = (Shutdown, 1));
        string queue = await NewQueueAsync(amqp);
        using var cancel = new CancellationTokenSource();
        TimeSpan took = TimeSpan.MaxValue;
        cancel.Token.Register(() => took = TimedEndOf(amqp.DisposeAsync).Result.Took);
        if (frozen)
            await PauseBrokerAsync();
        Task<Exception?>[] publishes = [.. Enumerable.Range(0, 20)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), cancel.Token)))];
        await cancel.CancelAsync();
        Assert.True(took < Bound, $"took {took}");
        foreach (Exception? end in await Task.WhenAll(publishes).WaitAsync(Margin, Cancelled))
            Assert.True(
                end is null or OperationCanceledException or AmqpNotSentException or AmqpUnknownOutcomeException,
                end?.ToString());
    }

    [Theory]
    [InlineData(false, AmqpConnectionLayout.Separate)]
    [InlineData(true, AmqpConnectionLayout.Separate)]
    [InlineData(false, AmqpConnectionLayout.Shared)]
    [InlineData(true, AmqpConnectionLayout.Shared)]
    public async Task Eight_may_dispose_at_once_under_load_and_every_operation_ends(
        bool frozen, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => (options.ShutdownTimeout, options.Layout) = (Shutdown, layout));
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var history = new History(8);
        TaskCompletionSource last = await RecordAsync(reader, queue, history);
        await amqp.ConsumeAsync(
            await NewQueueAsync(amqp),
            (_, _) => new ValueTask<AmqpSettlement>(AmqpSettlement.Ack),
            cancellationToken: Cancelled);
        using var stop = new CancellationTokenSource();
        Task load = Recovery.LostConnectionTests.LoadAsync(amqp, queue, history, publishers: 8, stop.Token);
        await UntilAsync(() => history.Count(Ending.Confirmed) > 1000);
        if (frozen)
            await PauseBrokerAsync();
        (Exception? Error, TimeSpan Took)[] all =
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => TimedEndOf(amqp.DisposeAsync))))
                .WaitAsync(Limit, Cancelled);
        Assert.All(all, one => Assert.Null(one.Error));
        Assert.All(all, one => Assert.True(one.Took < Bound, $"took {one.Took}"));
        // a publisher whose turn comes late may not have tried yet
        await UntilAsync(() => history.Count(Ending.Disposed) > 0);
        await stop.CancelAsync();
        await load.WaitAsync(Margin, Cancelled);
        await Broker.Node.ResumeAsync(Cancelled);
        await DrainAsync(reader, queue, last);
        history.Verify();
        Assert.True(history.Count(Ending.Disposed) > 0, history.ToString());
        if (frozen)
            Assert.True(history.Count(Ending.Unknown) > 0, history.ToString());
    }

    [Fact]
    public async Task A_caller_that_blocks_after_disposing_does_not_hold_up_the_others()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync(); // so that disposal is under way while both wait for it
        Task<Exception?> published = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        using var second = new ManualResetEventSlim();

        // On the pool: the context of a test keeps continuations from running one inside the other.
        await Task.Run(async () =>
        {
            Task<bool> blocking = DisposeAndBlockAsync();
            await DisposeAndSignalAsync();
            Assert.True(await blocking);
        }, Cancelled);
        Assert.IsType<AmqpUnknownOutcomeException>(await published);

        async Task<bool> DisposeAndBlockAsync()
        {
            await amqp.DisposeAsync().AsTask().WaitAsync(Limit, Cancelled).ConfigureAwait(false);
            return second.Wait(Limit, Cancelled);
        }

        async Task DisposeAndSignalAsync()
        {
            await amqp.DisposeAsync().AsTask().WaitAsync(Limit, Cancelled).ConfigureAwait(false);
            second.Set();
        }
    }

    [Fact]
    public async Task Afterwards_every_verb_throws_ObjectDisposedException_and_disposing_again_does_nothing()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await DisposeAsync(amqp);
        var message = AmqpMessage.ToQueue(queue, []);
        AmqpHandler handler = (_, _) => new ValueTask<AmqpSettlement>(AmqpSettlement.Ack);
        foreach (Func<Task> verb in (Func<Task>[])
        [
            async () => await amqp.PublishAsync(message, Cancelled),
            async () => await amqp.PostAsync(message, Cancelled),
            async () => await amqp.PublishAllAsync([message], Cancelled),
            async () => await amqp.CallAsync(message, null, Cancelled),
            async () => await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled),
            async () => await amqp.ConsumeAsync(queue, handler, cancellationToken: Cancelled),
            async () => await amqp.ServeAsync(
                queue, (_, _) => new ValueTask<AmqpMessage>(message), cancellationToken: Cancelled),
            async () => await amqp.ReadAllAsync(queue, cancellationToken: Cancelled).GetAsyncEnumerator(Cancelled)
                .MoveNextAsync(),
            async () => await amqp.OpenAsync(Cancelled),
        ])
            await Assert.ThrowsAsync<ObjectDisposedException>(verb);
        // memory only: still there to look at
        Assert.All(amqp.Status.Links, link => Assert.Equal(AmqpLinkState.Closed, link.State));
        Assert.True(await DisposeAsync(amqp) < TimeSpan.FromMilliseconds(500));
    }

    [Fact]
    public async Task A_client_that_was_never_used_is_disposed_without_connecting()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = NewClient(options => options.Uri = proxy.Uri);
        Assert.True(await DisposeAsync(amqp) < TimeSpan.FromSeconds(1));
        Assert.Equal(0, proxy.Accepted);
        await Assert.ThrowsAsync<ObjectDisposedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled));
    }

    [Fact]
    public async Task Running_handlers_finish_and_settle_and_what_had_not_begun_goes_back()
    {
        AmqpClient amqp = await ConnectAsync(options => options.ShutdownTimeout = TimeSpan.FromSeconds(10));
        AmqpClient reader = await ConnectAsync();
        string queue = await NewQueueAsync(reader), results = await NewQueueAsync(reader);
        await reader.PublishAllAsync(
            [.. Enumerable.Range(0, 50).Select(_ => AmqpMessage.ToQueue(queue, []))], Cancelled);
        using var go = new SemaphoreSlim(0);
        int begun = 0;
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, async (_, lost) =>
        {
            Interlocked.Increment(ref begun);
            await go.WaitAsync(CancellationToken.None);
            // a handler that ends may still publish
            await amqp.PublishAsync(AmqpMessage.ToQueue(results, []), CancellationToken.None);
            return lost.IsCancellationRequested ? AmqpSettlement.Requeue : AmqpSettlement.Ack;
        }, new AmqpConsumerOptions { Concurrency = 4, Prefetch = 20 }, Cancelled);
        await UntilAsync(() => Volatile.Read(ref begun) == 4);
        Task dispose = amqp.DisposeAsync().AsTask();
        await UntilAsync(() => subscription.State == AmqpConsumerState.Stopping);
        await UntilAsync(() => MessagesInAsync(queue), count => count == 50); // unsettled ones count
        Assert.False(dispose.IsCompleted);
        go.Release(4);
        await dispose.WaitAsync(Limit, Cancelled);
        Assert.Equal(4, begun);
        await UntilAsync(() => MessagesInAsync(queue), count => count == 46);
        Assert.Equal(4, await MessagesInAsync(results));
        IReadOnlyList<AmqpDelivery> left = await TakeAsync(reader, queue, 46);
        Assert.Equal(46, left.Count);
    }

    private static async Task<TimeSpan> DisposeAsync(AmqpClient amqp)
    {
        var (error, took) = await TimedEndOf(amqp.DisposeAsync);
        Assert.Null(error);
        Assert.True(took < Bound, $"took {took}");
        return took;
    }
}
