namespace SafeAmqp.IntegrationTests.Consuming;

/// <summary>What ends because its consumer, its client or its host stops did not fail: it is not done.</summary>
[Trait("Broker", "3.10")]
public sealed class NotDoneTests(TestBroker broker) : FeatureTest(broker)
{
    private static readonly AmqpConsumerOptions Rejecting = new()
    {
        OnFailure = AmqpFailurePolicy.Reject,
        Prefetch = 50,
    };

    [Theory, InlineData("by break"), InlineData("by its token"), InlineData("by an exception")]
    public async Task What_a_loop_never_got_is_given_back_when_it_is_left(string how)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(100));
        using var token = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        int taken = 0;
        Exception? end = await Record.ExceptionAsync(async () =>
        {
            await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, Rejecting, token.Token))
            {
                if (++taken < 6)
                    continue;
                await UntilReadyAsync(witness, queue, 45); // the prefetch is full again
                if (how == "by its token")
                    await token.CancelAsync();
                else if (how == "by an exception")
                    throw new FormatException();
                else
                    break;
            }
        });
        Assert.Equal(how == "by break", end is null);
        // Its token ends the loop when it asks for the next: by then the sixth is acknowledged.
        await UntilReadyAsync(witness, queue, how == "by its token" ? 94u : 95u);
    }

    // The broker counts what a loop has fetched and never got as returned, too.
    [Fact]
    public async Task Loops_that_are_left_again_and_again_warn_before_a_quorum_queue_drops_what_they_had_fetched()
    {
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options => options.LoggerFactory = lines);
        Witness witness = await WitnessAsync();
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = queue,
            Type = AmqpQueueType.Quorum,
            DeliveryLimit = 6,
        }), Cancelled);
        await PublishAsync(amqp, queue, Numbers(3));
        for (int left = 0; left < 3; left++)
        {
            await foreach (AmqpDelivery _ in amqp.ReadAllAsync(queue, Rejecting, Cancelled))
            {
                await UntilReadyAsync(witness, queue, 0);
                break;
            }
            await UntilReadyAsync(witness, queue, 3);
        }
        foreach (int left in (int[])[5, 4])
            Assert.Contains(lines.Lines, line => line.Contains(
                $"{left} more returns, then the queue drops it", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("subscription", AmqpQueueType.Classic)]
    [InlineData("client", AmqpQueueType.Classic)]
    [InlineData("client", AmqpQueueType.Quorum)]
    public async Task A_handler_that_is_cancelled_by_the_stop_is_not_done_and_not_failed(
        string what, AmqpQueueType type)
    {
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.LoggerFactory = lines;
            options.ShutdownTimeout = TimeSpan.FromSeconds(20);
        });
        Witness witness = await WitnessAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp, type);
        await PublishAsync(amqp, queue, Numbers(10));
        var inbox = new Inbox(async (delivery, _) =>
        {
            await Task.Delay(Timeout.Infinite, delivery.Stopping);
            return AmqpSettlement.Ack;
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Reject, Concurrency = 3 }, Cancelled);
        await inbox.NextAsync(3);
        await InTime(what == "client" ? amqp.DisposeAsync() : subscription.DisposeAsync());
        await UntilReadyAsync(witness, queue, 10);
        Assert.Equal(0u, await witness.ReadyAsync(dead));
        Assert.Equal(3, inbox.All.Count);
        Assert.DoesNotContain(lines.Lines, line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_handler_that_gives_up_while_its_consumer_stops_costs_no_attempt_of_its_retries()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp);
        await PublishAsync(amqp, queue, "a");
        var inbox = new Inbox(async (delivery, _) =>
        {
            try
            {
                await Task.Delay(Timeout.Infinite, delivery.Stopping);
            }
            catch (OperationCanceledException cancelled)
            {
                // As libraries do that wrap whatever they end by.
                throw new InvalidOperationException("The work was interrupted.", cancelled);
            }
            return AmqpSettlement.Ack;
        });
        var options = new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, TimeSpan.FromMilliseconds(30)) };
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, options, Cancelled);
        await inbox.NextAsync();
        await InTime(subscription.DisposeAsync());
        await UntilReadyAsync(witness, queue, 1);
        var again = new Inbox();
        await amqp.ConsumeAsync(queue, again.HandleAsync, cancellationToken: Cancelled);
        Assert.Equal(0, (await again.NextAsync()).PreviousAttempts);
        Assert.Equal(0u, await witness.ReadyAsync(dead));
    }

    [Fact]
    public async Task A_request_whose_server_stops_is_answered_by_the_next_server()
    {
        AmqpClient caller = await ConnectAsync();
        AmqpClient stopping = await ConnectAsync(options => options.ShutdownTimeout = TimeSpan.FromSeconds(20));
        AmqpClient next = await ConnectAsync();
        string queue = await NewQueueAsync(caller);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await stopping.ServeAsync(queue, async (request, _) =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, request.Stopping);
            return new AmqpMessage();
        }, cancellationToken: Cancelled);
        Task<AmqpReply> call = caller.CallAsync(AmqpMessage.ToQueue(queue, Bytes("?")),
            cancellationToken: Cancelled).AsTask();
        await InTime(begun.Task);
        await InTime(stopping.DisposeAsync());
        await next.ServeAsync(queue, (_, _) => new(new AmqpMessage { Body = Bytes("next") }),
            cancellationToken: Cancelled);
        Assert.Equal("next", Text(await InTime(call)));
    }

    [Fact]
    public async Task A_handler_whose_publish_is_refused_as_the_client_is_disposed_keeps_its_message()
    {
        AmqpClient amqp = await ConnectAsync(options => options.ShutdownTimeout = TimeSpan.FromMilliseconds(100));
        Witness witness = await WitnessAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp);
        await PublishAsync(amqp, queue, "a");
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource<Exception?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (_, _) =>
        {
            await go.Task;
            Exception? error = await Record.ExceptionAsync(
                async () => await amqp.PublishAsync(AmqpMessage.ToQueue(dead, []), CancellationToken.None));
            ended.SetResult(error);
            throw error!;
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, Rejecting, Cancelled);
        await inbox.NextAsync();
        Task disposal = amqp.DisposeAsync().AsTask();
        await UntilAsync(() => amqp.Status.Links[0].State >= AmqpLinkState.Closing);
        go.SetResult();
        await InTime(disposal);
        Assert.IsType<ObjectDisposedException>(await InTime(ended.Task));
        await UntilReadyAsync(witness, queue, 1);
        Assert.Equal(0u, await witness.ReadyAsync(dead));
    }

    [Fact]
    public async Task No_handler_begins_once_the_stop_has_begun()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(2000));
        for (int round = 0; round < 10; round++)
        {
            bool stopped = false;
            int late = 0;
            var inbox = new Inbox((_, _) =>
            {
                if (Volatile.Read(ref stopped))
                    Interlocked.Increment(ref late);
                return ValueTask.FromResult(AmqpSettlement.Requeue);
            });
            AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
                new AmqpConsumerOptions { Prefetch = 1000 }, Cancelled);
            await inbox.NextAsync(50);
            Task stop = subscription.DisposeAsync().AsTask();
            Volatile.Write(ref stopped, true);
            await InTime(stop);
            Assert.InRange(late, 0, 1); // one may have been on its way into the handler
        }
    }
}
