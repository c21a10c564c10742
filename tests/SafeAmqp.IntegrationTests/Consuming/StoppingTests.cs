using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Consuming;

public sealed class StoppingTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, InlineData(1, false), InlineData(4, false), InlineData(4, true)]
    [Trait("Broker", "3.10")]
    public async Task Stopping_gives_back_what_has_not_begun_at_once_and_waits_for_what_runs(
        int concurrency, bool keyed)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (_, _) =>
        {
            await go.Task;
            return AmqpSettlement.Ack;
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions
            {
                Prefetch = 20,
                Concurrency = concurrency,
                KeySelector = keyed ? _ => "one key" : null
            },
            Cancelled);
        await PublishAsync(amqp, queue, Numbers(30));
        int begun = keyed ? 1 : concurrency;
        await inbox.NextAsync(begun);
        Task stop = subscription.DisposeAsync().AsTask();
        await UntilReadyAsync(witness, queue, (uint)(30 - begun)); // while handlers still run
        Assert.Equal(begun, inbox.Running);
        Assert.False(stop.IsCompleted);
        Assert.Equal(AmqpConsumerState.Stopping, subscription.State);
        go.SetResult();
        await InTime(stop);
        Assert.Equal(AmqpConsumerState.Stopped, subscription.State);
        Assert.Equal(begun, inbox.All.Count);
        Assert.Equal((uint)(30 - begun), await witness.ReadyAsync(queue)); // those that ended in time were acknowledged
        Assert.All(inbox.All, delivery => Assert.False(delivery.Lost.IsCancellationRequested && !delivery.IsSettled));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_handler_that_outlasts_the_stop_loses_its_delivery_and_is_told(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        var told = new TaskCompletionSource<AmqpSettleResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (delivery, lost) =>
        {
            await go.Task; // deaf to its token
            told.SetResult(
                lost.IsCancellationRequested ? delivery.Settle(AmqpSettlement.Ack) : AmqpSettleResult.Settled);
            return AmqpSettlement.Ack;
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { StopTimeout = TimeSpan.FromMilliseconds(300) }, Cancelled);
        await PublishAsync(amqp, queue, "a", "b");
        await inbox.NextAsync();
        var watch = Stopwatch.StartNew();
        await InTime(subscription.DisposeAsync());
        Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(290), TimeSpan.FromSeconds(5));
        Assert.Equal(1, inbox.Running);
        await UntilReadyAsync(witness, queue, 2);
        go.SetResult();
        Assert.Equal(AmqpSettleResult.Stale, await InTime(told.Task));
        Assert.Equal(2u, await witness.ReadyAsync(queue));
    }

    [Fact]
    public async Task Stopping_twice_and_from_many_threads_is_stopping_once()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, new Inbox().HandleAsync, cancellationToken: Cancelled);
        await InTime(Task.WhenAll(
            Enumerable.Range(0, 16).Select(_ => Task.Run(async () => await subscription.DisposeAsync(), Cancelled))));
        await subscription.DisposeAsync();
        Assert.Equal(AmqpConsumerState.Stopped, subscription.State);
        Assert.Empty(amqp.Status.Links[1].Consumers);
    }

    [Fact]
    public async Task Disposing_the_client_drains_its_consumers_which_can_still_publish_what_they_have_made()
    {
        AmqpClient amqp = await ConnectAsync(options => options.ShutdownTimeout = TimeSpan.FromSeconds(20));
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), results = await NewQueueAsync(amqp);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (delivery, _) =>
        {
            await go.Task;
            await amqp.PublishAsync(AmqpMessage.ToQueue(results, delivery.Body), Cancelled);
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions { Concurrency = 4 }, Cancelled);
        await PublishAsync(amqp, queue, Numbers(10));
        await inbox.NextAsync(4);
        Task disposal = amqp.DisposeAsync().AsTask();
        await UntilReadyAsync(witness, queue, 6);
        go.SetResult();
        await InTime(disposal);
        Assert.Equal(4u, await witness.ReadyAsync(results)); // each that began published
        Assert.Equal(6u, await witness.ReadyAsync(queue)); // and was acknowledged
    }

    [Fact]
    public async Task Cancelling_the_start_of_a_consumer_leaves_none_behind()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        relay.Hold(method => method.IsConsumeOk);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        Task<AmqpSubscription> start =
            amqp.ConsumeAsync(queue, new Inbox().HandleAsync, cancellationToken: cancel.Token);
        await UntilAsync(() => relay.Held > 0);
        await cancel.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InTime(start));
        Assert.Equal(cancel.Token, error.CancellationToken);
        await relay.ReleaseAsync();
        await UntilAsync(() => witness.ConsumersAsync(queue), consumers => consumers == 0);
        Assert.Empty(amqp.Status.Links[1].Consumers);
        await PublishAsync(amqp, queue, "a");
        Assert.Equal(1u, await witness.ReadyAsync(queue));
    }

    [Theory, InlineData("subscription"), InlineData("client")]
    public async Task A_handler_that_stops_everything_costs_the_handlers_beside_it_nothing(string what)
    {
        AmqpClient amqp = await ConnectAsync(options => options.ShutdownTimeout = TimeSpan.FromSeconds(20));
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "stop", "1", "2", "3", "4", "5");
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription? subscription = null;
        var inbox = new Inbox(async (delivery, _) =>
        {
            if (Text(delivery) == "stop")
            {
                await begin.Task;
                await (what == "client" ? amqp.DisposeAsync() : subscription!.DisposeAsync());
                stopped.SetResult();
            }
            await go.Task;
            return AmqpSettlement.Ack;
        });
        subscription = await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Concurrency = 3 }, Cancelled);
        IReadOnlyList<AmqpDelivery> begun = await inbox.NextAsync(3);
        begin.SetResult();
        await UntilReadyAsync(witness, queue, 3);
        Assert.False(stopped.Task.IsCompleted);
        Assert.All(begun, delivery => Assert.False(delivery.Lost.IsCancellationRequested));
        go.SetResult();
        await InTime(stopped.Task);
        await UntilReadyAsync(witness, queue, 4); // only its own came back
        Assert.Equal(3, inbox.All.Count);
    }

    [Theory, InlineData("subscription"), InlineData("client")]
    public async Task A_handler_may_wait_for_a_stop_that_others_began(string what)
    {
        AmqpClient amqp = await ConnectAsync(options => options.ShutdownTimeout = TimeSpan.FromMinutes(1));
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a", "b");
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription? subscription = null;
        ValueTask Stop() => what == "client" ? amqp.DisposeAsync() : subscription!.DisposeAsync();
        var inbox = new Inbox(async (_, _) =>
        {
            await begin.Task;
            await Stop();
            return AmqpSettlement.Ack;
        });
        subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { Concurrency = 2, StopTimeout = TimeSpan.FromMinutes(1) }, Cancelled);
        await inbox.NextAsync(2);
        Task stop = Stop().AsTask();
        await UntilAsync(() => subscription.State == AmqpConsumerState.Stopping);
        begin.SetResult();
        await InTime(stop); // else it would take the minute
        await UntilAsync(() => inbox.Running == 0);
    }
}
