namespace SafeAmqp.IntegrationTests.Consuming;

[Trait("Broker", "3.10")]
public sealed class SettlementTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task A_message_whose_handler_returns_Ack_is_gone(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a", "b", "c");
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        Assert.Equal(["a", "b", "c"], (await inbox.NextAsync(3)).Select(Text));
        Assert.Equal(AmqpConsumerState.Live, subscription.State);
        await subscription.DisposeAsync(); // from here on, what was not acknowledged is ready again
        Assert.Equal(AmqpConsumerState.Stopped, subscription.State);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_message_whose_handler_returns_Requeue_comes_again(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a");
        var inbox = new Inbox((delivery, _) => ValueTask.FromResult(
            delivery.IsRedelivered ? AmqpSettlement.Ack : AmqpSettlement.Requeue));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        Assert.Equal(
            [("a", false), ("a", true)],
            (await inbox.NextAsync(2)).Select(delivery => (Text(delivery), delivery.IsRedelivered)));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_message_whose_handler_returns_Reject_goes_to_the_dead_letter_queue(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        await PublishAsync(amqp, queue, "bad", "good");
        var inbox = new Inbox((delivery, _) => ValueTask.FromResult(
            Text(delivery) == "bad" ? AmqpSettlement.Reject : AmqpSettlement.Ack));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        var letters = new Inbox();
        await amqp.ConsumeAsync(dead, letters.HandleAsync, cancellationToken: Cancelled);
        AmqpDelivery letter = await letters.NextAsync();
        Assert.Equal("bad", Text(letter));
        Assert.Equal("rejected", letter.Message.Headers!["x-first-death-reason"]);
        await inbox.NextAsync(2);
        Assert.Equal(2, inbox.All.Count);
        Assert.Single(letters.All);
    }

    [Fact]
    public async Task A_delivery_may_be_settled_by_hand_and_then_counts_as_settled()
    {
        AmqpClient amqp = await ConnectAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        Witness witness = await WitnessAsync();
        await PublishAsync(amqp, queue, "a");
        AmqpSettleResult? first = null, second = null;
        var inbox = new Inbox((delivery, _) =>
        {
            first = delivery.Settle(AmqpSettlement.Reject);
            second = delivery.Settle(AmqpSettlement.Requeue);
            return ValueTask.FromResult(AmqpSettlement.Requeue);
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await UntilReadyAsync(witness, dead, 1);
        await subscription.DisposeAsync();
        Assert.Equal(AmqpSettleResult.Settled, first);
        Assert.Equal(AmqpSettleResult.AlreadySettled, second);
        Assert.Single(inbox.All);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Throws<ArgumentOutOfRangeException>(() => inbox.All[0].Settle((AmqpSettlement)77));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task No_more_deliveries_come_unsettled_than_the_prefetch_allows(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(50));
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (_, _) =>
        {
            await go.Task;
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Prefetch = 7, Concurrency = 50 }, Cancelled);
        await inbox.NextAsync(7);
        Assert.Equal(43u, await witness.ReadyAsync(queue));
        Assert.Equal(7, amqp.Status.Links[^1].Consumers.Single().Unsettled);
        go.SetResult();
        await inbox.NextAsync(43);
        Assert.InRange(inbox.MostRunning, 7, 7);
        await UntilAsync(() => amqp.Status.Links[^1].Consumers.Single().Unsettled == 0);
    }

    [Theory, InlineData(1), InlineData(4)]
    public async Task As_many_handlers_run_at_once_as_the_concurrency_says(int concurrency)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(40));
        int inside = 0;
        var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (_, _) =>
        {
            if (Interlocked.Increment(ref inside) == concurrency)
                full.TrySetResult();
            await full.Task.WaitAsync(Limit, Cancelled);
            await Task.Yield();
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Concurrency = concurrency }, Cancelled);
        IReadOnlyList<AmqpDelivery> all = await inbox.NextAsync(40);
        Assert.Equal(concurrency, inbox.MostRunning);
        if (concurrency == 1)
            Assert.Equal(Numbers(40), all.Select(Text)); // the queue's order
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task Deliveries_of_one_key_are_handled_one_after_the_other_in_order_while_other_keys_run_beside_them(
        AmqpConnectionLayout layout)
    {
        const int keys = 32, each = 25;
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(
            amqp, queue, [.. Enumerable.Range(0, keys * each).Select(number => $"{number % keys}:{number / keys}")]);
        int[] next = new int[keys];
        int[] busy = new int[keys];
        var wrong = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var inbox = new Inbox(async (delivery, _) =>
        {
            int[] parts = [.. Text(delivery).Split(':').Select(int.Parse)];
            if (Interlocked.Increment(ref busy[parts[0]]) != 1)
                wrong.Enqueue($"{Text(delivery)} beside another of its key");
            if (next[parts[0]]++ != parts[1])
                wrong.Enqueue($"{Text(delivery)} out of order");
            await Task.Delay(Random.Shared.Next(3), Cancelled); // the work
            Interlocked.Decrement(ref busy[parts[0]]);
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(
            queue,
            inbox.HandleAsync,
            new AmqpConsumerOptions { Concurrency = 8, KeySelector = delivery => Text(delivery).Split(':')[0] },
            Cancelled);
        await inbox.NextAsync(keys * each);
        await UntilAsync(() => inbox.Running == 0);
        Assert.Empty(wrong);
        Assert.InRange(inbox.MostRunning, 2, 8);
    }

    [Fact]
    public async Task A_key_selector_that_throws_or_finds_no_key_keeps_no_delivery_from_its_handler()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "null", "throw", "key");
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions
        {
            Concurrency = 4,
            KeySelector = delivery => Text(delivery) switch
            {
                "null" => null,
                "throw" => throw new InvalidOperationException("no key"),
                var key => key,
            },
        }, Cancelled);
        Assert.Equal(["key", "null", "throw"], (await inbox.NextAsync(3)).Select(Text).Order());
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task With_AutoAck_a_delivery_is_acknowledged_before_its_handler_ends_and_never_comes_again(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a", "b");
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (delivery, _) =>
        {
            if (Text(delivery) == "a")
                throw new InvalidOperationException("too late to fail");
            await go.Task;
            return AmqpSettlement.Requeue; // too late as well
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions
            {
                AutoAck = true,
                OnFailure = AmqpFailurePolicy.Requeue,
                StopTimeout = TimeSpan.Zero
            },
            Cancelled);
        await inbox.NextAsync(2);
        await UntilAsync(() => amqp.Status.Links[^1].Consumers.Single().Unsettled == 0);
        await subscription.DisposeAsync(); // "b" is still being handled
        Assert.Equal(1, inbox.Running);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        go.SetResult();
        await UntilAsync(() => inbox.Running == 0);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Equal(2, inbox.All.Count);
    }

    [Fact]
    public async Task Acknowledgements_out_of_order_are_joined_where_nothing_is_missing_and_none_of_them_is_wrong()
    {
        const int count = 4000;
        // What is returned leaves a gap for as long as it waits, so only the last messages are.
        static bool IsReturned(int number) => number > count * 3 / 4 && number % 13 == 0;
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(count));
        var inbox = new Inbox(async (delivery, _) =>
        {
            if (Random.Shared.Next(3) == 0)
                await Task.Yield();
            int number = int.Parse(Text(delivery), System.Globalization.CultureInfo.InvariantCulture);
            if (IsReturned(number) && !delivery.IsRedelivered)
                return AmqpSettlement.Requeue;
            if (number % 17 == 0)
                return AmqpSettlement.Reject;
            if (number % 3 == 0)
                delivery.Settle(AmqpSettlement.Ack);
            return AmqpSettlement.Ack;
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Prefetch = 300, Concurrency = 16 }, Cancelled);
        int requeued = Enumerable.Range(0, count).Count(IsReturned),
            rejected = Enumerable.Range(0, count).Count(number => number % 17 == 0);
        await inbox.NextAsync(count + requeued);
        await UntilReadyAsync(witness, dead, (uint)rejected);
        await subscription.DisposeAsync();
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Equal(count + requeued, inbox.All.Count);
        Assert.Empty(await record.ChannelErrorsAsync(Cancelled));
        List<AmqpMethod> acks = [.. relay.Methods.Where(method => method.IsAck)];
        Assert.Contains(acks, ack => ack.IsMultiple);
        Assert.InRange(acks.Count, 1, count - rejected - 1); // fewer frames than messages
        Assert.Null(subscription.LastError);
    }
}
