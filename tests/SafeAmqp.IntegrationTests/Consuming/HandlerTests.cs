using Microsoft.Extensions.Logging;

namespace SafeAmqp.IntegrationTests.Consuming;

// A handler harms only its own delivery, whatever it does.
public sealed class HandlerTests(TestBroker broker) : FeatureTest(broker)
{
    [Fact]
    public async Task A_logger_that_throws_ends_no_link_and_no_worker()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options =>
            (options.Uri, options.LoggerFactory) = (relay.Uri, new ThrowingLoggers()));
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts == 0 && Text(delivery) == "bad"
            ? throw new InvalidOperationException("passing")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(10)) }, Cancelled);
        await PublishAsync(amqp, queue, "bad", "good");
        await inbox.NextAsync(3);
        int epoch = amqp.Status.Links[^1].Epoch;
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > epoch && link.State == AmqpLinkState.Open));
        await PublishAsync(amqp, queue, "behind");
        while (Text(await inbox.NextAsync()) != "behind")
        {
            // What the lost link had unsettled may come again.
        }
    }

    private sealed class ThrowingLoggers : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull
            => throw new NotSupportedException();

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => throw new InvalidOperationException("The disk is full.");

        public void Dispose()
        {
        }
    }

    [Theory, InlineData("throws"), InlineData("throws before its first await"), InlineData("returns nonsense"),
        InlineData("throws a cancellation")]
    public async Task A_handler_that_fails_harms_only_its_own_delivery(string how)
    {
        AmqpClient amqp = await ConnectAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        Witness witness = await WitnessAsync();
        await PublishAsync(amqp, queue, "1", "bad", "3");
        ValueTask<AmqpSettlement> Answer(AmqpDelivery delivery)
        {
            if (Text(delivery) != "bad")
                return ValueTask.FromResult(AmqpSettlement.Ack);
            return how switch
            {
                "throws" => FailAsync(new InvalidOperationException("handler")),
                "throws before its first await" => throw new InvalidOperationException("handler"),
                "throws a cancellation" => FailAsync(new OperationCanceledException()),
                _ => ValueTask.FromResult((AmqpSettlement)4711),
            };
        }
        var seen = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, async (delivery, lost) =>
        {
            await seen.HandleAsync(delivery, lost);
            return await Answer(delivery);
        }, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Reject }, Cancelled);
        Assert.Equal(["1", "bad", "3"], (await seen.NextAsync(3)).Select(Text));
        await UntilReadyAsync(witness, dead, 1);
        Assert.Equal(AmqpConsumerState.Live, subscription.State);
        await subscription.DisposeAsync();
        Assert.Equal(0u, await witness.ReadyAsync(queue));

        static async ValueTask<AmqpSettlement> FailAsync(Exception error)
        {
            await Task.Yield();
            throw error;
        }
    }

    [Fact]
    public async Task A_handler_that_hangs_keeps_neither_its_neighbours_nor_other_consumers_nor_publishers()
    {
        AmqpClient amqp = await ConnectAsync(AmqpConnectionLayout.Shared);
        string stuck = await NewQueueAsync(amqp), free = await NewQueueAsync(amqp);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var neighbours = new Inbox(async (delivery, _) =>
        {
            if (Text(delivery) == "hang")
                await go.Task;
            return AmqpSettlement.Ack;
        });
        using var blocked = new ManualResetEventSlim();
        var blockers = new Inbox((_, _) =>
        {
            blocked.Wait(Limit, Cancelled); // holds a thread of the pool, not only a task
            return ValueTask.FromResult(AmqpSettlement.Ack);
        });
        string blocking = await NewQueueAsync(amqp);
        var others = new Inbox();
        await amqp.ConsumeAsync(stuck, neighbours.HandleAsync, new AmqpConsumerOptions { Concurrency = 2 }, Cancelled);
        await amqp.ConsumeAsync(blocking, blockers.HandleAsync, cancellationToken: Cancelled);
        await amqp.ConsumeAsync(free, others.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, blocking, "block");
        await blockers.NextAsync();
        await PublishAsync(amqp, stuck, ["hang", .. Numbers(20)]);
        await PublishAsync(amqp, free, Numbers(20));
        await neighbours.NextAsync(21);
        await others.NextAsync(20);
        await UntilAsync(() => neighbours.Running == 1); // the last was handed over before its handler ended
        Assert.Equal(1, blockers.Running);
        go.SetResult();
        blocked.Set();
        await UntilAsync(() => amqp.Status.Links[^1].Consumers.All(consumer => consumer.Unsettled == 0));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_handler_that_disposes_its_client_ends_in_time_and_loses_only_its_own_delivery(
        AmqpConnectionLayout layout)
    {
        AmqpClient other = await ConnectAsync();
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(other);
        var disposed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await amqp.ConsumeAsync(queue, async (_, _) =>
        {
            await amqp.DisposeAsync();
            disposed.SetResult();
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        await PublishAsync(other, queue, "a", "b");
        await InTime(disposed.Task);
        await Assert.ThrowsAsync<ObjectDisposedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        var inbox = new Inbox();
        await other.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        // In either order: RabbitMQ 4 tells a queue of a closed channel later if it has no consumer there any more
        Assert.Equal(["a", "b"], (await inbox.NextAsync(2)).Select(Text).Order());
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_handler_may_use_every_verb_of_its_client(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp), served = await NewQueueAsync(amqp), made = NewName();
        await amqp.ServeAsync(
            served,
            (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);
        var inner = new Inbox();
        var done = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription? self = null;
        self = await amqp.ConsumeAsync(queue, async (delivery, _) =>
        {
            try
            {
                await amqp.DeclareAsync(new AmqpTopology().Queue(made), Cancelled);
                await amqp.ConsumeAsync(made, inner.HandleAsync, cancellationToken: Cancelled);
                AmqpReply reply = await amqp.CallAsync(
                    AmqpMessage.ToQueue(served, delivery.Body), cancellationToken: Cancelled);
                await amqp.PublishAsync(AmqpMessage.ToQueue(made, reply.Body), Cancelled);
                done.SetResult(amqp.Status.ToString());
            }
            catch (Exception error)
            {
                done.SetException(error);
            }
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "hello");
        await InTime(done.Task);
        Assert.Equal("hello", Text(await inner.NextAsync()));
    }

    [Fact]
    public async Task A_handler_that_stops_its_own_consumer_is_not_waited_for()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription? subscription = null;
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        subscription = await amqp.ConsumeAsync(queue, async (delivery, _) =>
        {
            await begin.Task;
            delivery.Settle(AmqpSettlement.Ack); // by hand, as afterwards its channel is gone
            await subscription!.DisposeAsync();
            stopped.SetResult();
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "a", "b", "c");
        begin.SetResult();
        await InTime(stopped.Task);
        await UntilReadyAsync(witness, queue, 2);
        Assert.Equal(0u, await witness.ConsumersAsync(queue));
    }

    [Fact]
    public async Task Handlers_see_neither_the_context_of_the_caller_nor_the_I_O_thread()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var local = new AsyncLocal<string> { Value = "caller" };
        var seen = new TaskCompletionSource<(string? Local, string? Thread)>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        await amqp.ConsumeAsync(queue, (_, _) =>
        {
            seen.SetResult((local.Value, Thread.CurrentThread.Name));
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "a");
        var (value, thread) = await InTime(seen.Task);
        Assert.Null(value);
        Assert.DoesNotContain("safeamqp-io", thread ?? "", StringComparison.Ordinal);
    }
}
