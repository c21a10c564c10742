using System.Collections.Concurrent;
using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Consuming;

// A delivery belongs to the channel that it came on.
public sealed class LostDeliveryTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task A_thousand_deliveries_settled_from_32_threads_after_a_lost_connection_come_exactly_once_more(
        AmqpConnectionLayout layout)
    {
        const int count = 1000;
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(count));
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (delivery, _) =>
        {
            if (!delivery.IsRedelivered)
                await go.Task;
            return AmqpSettlement.Ack;
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Prefetch = count, Concurrency = 1024 }, Cancelled);
        IReadOnlyList<AmqpDelivery> held = await inbox.NextAsync(count);
        int epoch = amqp.Status.Links[^1].Epoch;
        await KillAsync(layout == AmqpConnectionLayout.Shared ? "shared" : "receive");
        await UntilAsync(() => held.All(delivery => delivery.Lost.IsCancellationRequested));
        // its tokens fire before its state changes
        await UntilAsync(() => amqp.Status.Links[^1].Epoch > epoch && subscription.State == AmqpConsumerState.Live);

        // Now their numbers are used again, on another channel.
        var results = new ConcurrentBag<AmqpSettleResult>();
        Thread[] threads = [.. Enumerable.Range(0, 32).Select(part => new Thread(() =>
        {
            for (int i = part; i < count; i += 32)
                results.Add(held[i].Settle((AmqpSettlement)(i % 3)));
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            Assert.True(thread.Join(Limit));
        go.SetResult();
        Assert.Equal(count, results.Count(result => result == AmqpSettleResult.Stale));
        IReadOnlyList<AmqpDelivery> again = await inbox.NextAsync(count);
        Assert.All(again, delivery => Assert.True(delivery.IsRedelivered));
        Assert.Equal(Numbers(count).Order(), again.Select(Text).Order());
        await UntilAsync(() => amqp.Status.Links[^1].StaleSettlements == count, $"{count} stale settlements counted");
        await subscription.DisposeAsync();
        Assert.Equal(2 * count, inbox.All.Count);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Empty(await record.ChannelErrorsAsync(Cancelled));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task Settling_while_connections_are_cut_settles_every_message_and_never_another_one(
        AmqpConnectionLayout layout)
    {
        const int count = 3000;
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options =>
        {
            options.Uri = relay.Uri;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(10);
        });
        Witness witness = await WitnessAsync();
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(count));
        var done = new ConcurrentDictionary<string, int>();
        var inbox = new Inbox(async (delivery, lost) =>
        {
            await Task.Delay(Random.Shared.Next(4), CancellationToken.None); // the work
            done.AddOrUpdate(Text(delivery), 1, (_, times) => times + 1);
            return AmqpSettlement.Ack; // never Reject: the dead-letter queue would show somebody else's settlement
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Prefetch = 200, Concurrency = 32 }, Cancelled);
        int cuts = 0;
        while (cuts < 8 && done.Count < count)
        {
            int target = (cuts + 1) * count / 20; // the last cut finds more than half left, however late it comes
            await UntilAsync(() => done.Count >= target);
            int epoch = amqp.Status.Links[^1].Epoch;
            relay.Cut();
            cuts++;
            await UntilAsync(() => amqp.Status.Links[^1].Epoch > epoch && subscription.State == AmqpConsumerState.Live);
        }
        await UntilAsync(() => done.Count == count && inbox.Running == 0);
        await subscription.DisposeAsync();
        Assert.Equal(8, cuts);
        Assert.Equal((0u, 0u), (await witness.ReadyAsync(queue), await witness.ReadyAsync(dead)));
        Assert.Empty(await record.ChannelErrorsAsync(Cancelled));
        // more than once only what was held when it was cut
        Assert.InRange(done.Values.Sum(), count, count + (cuts * 200));
    }

    [Fact]
    public async Task The_token_of_a_lost_delivery_fires_at_once_and_its_callbacks_do_no_harm()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(amqp);
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var fired = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var hang = new ManualResetEventSlim();
        var inbox = new Inbox(async (delivery, lost) =>
        {
            if (delivery.IsRedelivered)
                return AmqpSettlement.Ack;
            lost.Register(() => hang.Wait(Limit));
            lost.Register(() => throw new InvalidOperationException("callback"));
            lost.Register(() => fired.SetResult(Stopwatch.GetTimestamp())); // the last registered is called first
            held.SetResult();
            await Task.Delay(Limit, lost);
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions { Concurrency = 2 }, Cancelled);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
        // the inbox has it before the handler does: a callback registered on a token that has fired runs at once, in
        // the handler
        await InTime(held.Task);
        long cut = Stopwatch.GetTimestamp();
        relay.Cut();
        Assert.InRange(Stopwatch.GetElapsedTime(cut, await InTime(fired.Task)), TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.True((await inbox.NextAsync()).IsRedelivered); // while the other callback still hangs
        Assert.True(amqp.Status.Links[1].Epoch >= 2);
        hang.Set();
    }

    [Fact]
    public async Task Consumers_are_live_again_before_their_link_is_open()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string[] queues = [await NewQueueAsync(amqp), await NewQueueAsync(amqp), await NewQueueAsync(amqp)];
        var inbox = new Inbox();
        var subscriptions = new List<AmqpSubscription>();
        foreach (string queue in queues)
            subscriptions.Add(await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled));
        int before = relay.Methods.Count(method => method.IsConsumeOk);
        relay.Hold(method => method.IsConsumeOk);
        relay.Cut();
        await UntilAsync(() => relay.Held == queues.Length);
        AmqpLinkStatus link = amqp.Status.Links[1];
        Assert.Equal(AmqpLinkState.Preparing, link.State);
        Assert.False(amqp.Status.IsReady);
        Assert.All(link.Consumers, consumer => Assert.Equal(AmqpConsumerState.Recovering, consumer.State));
        Assert.Contains("recovering", amqp.Status.ToString(), StringComparison.Ordinal);
        await relay.ReleaseAsync();
        await UntilAsync(() => amqp.Status.Links[1].State == AmqpLinkState.Open);
        Assert.All(subscriptions, subscription => Assert.Equal(AmqpConsumerState.Live, subscription.State));
        Assert.Equal(before + queues.Length, relay.Methods.Count(method => method.IsConsumeOk));
        foreach (string queue in queues)
            await PublishAsync(amqp, queue, queue);
        Assert.Equal(queues.Order(), (await inbox.NextAsync(queues.Length)).Select(Text).Order());
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_channel_that_the_broker_closes_takes_one_consumer_with_it_and_only_for_a_moment(
        AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        string hit = await NewQueueAsync(amqp), sibling = await NewQueueAsync(amqp);
        var hitInbox = new Inbox(async (delivery, lost) =>
        {
            if (!delivery.IsRedelivered)
                await Task.Delay(Limit, lost);
            return AmqpSettlement.Ack;
        });
        var siblingInbox = new Inbox();
        AmqpSubscription a = await amqp.ConsumeAsync(hit, hitInbox.HandleAsync, cancellationToken: Cancelled);
        AmqpSubscription b = await amqp.ConsumeAsync(sibling, siblingInbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, hit, "held");
        AmqpDelivery held = await hitInbox.NextAsync();

        AmqpMethod consume = relay.Methods.Single(method => method.IsConsume && method.ConsumedQueue == hit);
        using var stop = new CancellationTokenSource();
        int sent = 0;
        var publishing = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
                await amqp.PublishAsync(AmqpMessage.ToQueue(sibling, Bytes($"{sent++}")), Cancelled);
        }, Cancelled);
        await siblingInbox.NextAsync(20);
        await relay.SendAsync(consume, AmqpMethod.Ack(4711)); // as a client with a wrong number would
        await UntilAsync(() => held.Lost.IsCancellationRequested);
        long lost = Stopwatch.GetTimestamp();
        await UntilAsync(() => a.State == AmqpConsumerState.Live && hitInbox.All.Count == 2);
        // at most 100 ms and four round trips when nothing else runs
        Assert.InRange(Stopwatch.GetElapsedTime(lost), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await siblingInbox.NextAsync(20);
        await stop.CancelAsync();
        await InTime(publishing);
        await UntilAsync(() => siblingInbox.All.Count == sent);

        Assert.Contains("406", a.LastError!, StringComparison.Ordinal);
        Assert.Equal(AmqpConsumerState.Live, b.State);
        Assert.Null(b.LastError);
        Assert.All(siblingInbox.All, delivery => Assert.False(delivery.IsRedelivered));
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
        // and so the log shows such errors
        Assert.Contains(
            "delivery tag 4711", Assert.Single(await record.ChannelErrorsAsync(Cancelled)), StringComparison.Ordinal);
    }
}
