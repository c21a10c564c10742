namespace SafeAmqp.IntegrationTests.Publishing;

public sealed class BlockedTests(TestBroker broker) : FaultTest(broker)
{
    [Fact]
    [Trait("Broker", "3.10")]
    public async Task A_blocked_broker_holds_publishing_and_shows_while_a_consumer_of_the_same_client_goes_on()
    {
        AmqpClient amqp = await ConnectAsync();
        string full = await NewQueueAsync(amqp), publishedTo = await NewQueueAsync(amqp);
        await amqp.PublishAllAsync(
            [.. Enumerable.Range(0, 200).Select(_ => AmqpMessage.ToQueue(full, []))], Cancelled);
        using var gate = new SemaphoreSlim(0);
        int handled = 0;
        await amqp.ConsumeAsync(full, async (_, lost) =>
        {
            await gate.WaitAsync(lost);
            Interlocked.Increment(ref handled);
            return AmqpSettlement.Ack;
        }, new AmqpConsumerOptions { Prefetch = 1 }, Cancelled);

        Task found = await BlockAsync(amqp);
        Task waiting = amqp.PublishAsync(AmqpMessage.ToQueue(publishedTo, []), Cancelled).AsTask();
        // a broker that tells of its alarm at once may keep the one that found out from leaving
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages is 1 or 2);
        AmqpLinkStatus send = amqp.Status.Links[0];
        Assert.Equal(AmqpLinkState.Open, send.State);
        Assert.Contains("memory", send.BlockedReason, StringComparison.OrdinalIgnoreCase);
        Assert.NotNull(send.BlockedFor);
        Assert.NotNull(send.OldestQueued);
        Assert.False(amqp.Status.IsReady);
        Assert.Contains("blocked", amqp.Status.ToString(), StringComparison.Ordinal);

        gate.Release(200); // with a prefetch of 1 each needs the acknowledgement of the one before
        await UntilAsync(() => Volatile.Read(ref handled) == 200);
        Assert.NotNull(amqp.Status.Links[0].BlockedReason);
        Assert.False(waiting.IsCompleted);

        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        await Task.WhenAll(found, waiting).WaitAsync(Limit, Cancelled);
        await UntilAsync(() => amqp.Status.IsReady);
        Assert.Null(amqp.Status.Links[0].BlockedReason);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
        Assert.Equal(1, await MessagesInAsync(publishedTo));
    }

    [Fact]
    public async Task A_blocked_link_is_not_taken_for_dead()
    {
        AmqpClient amqp = await ConnectAsync(options => options.Heartbeat = TimeSpan.FromSeconds(2));
        Task found = await BlockAsync(amqp);
        // More than two heartbeats: the broker still sends its own, though it does not read ours.
        await UntilAsync(() => amqp.Status.Links[0].BlockedFor > TimeSpan.FromSeconds(5));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        await found.WaitAsync(Limit, Cancelled);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_link_that_was_blocked_when_it_was_lost_publishes_after_the_alarm()
    {
        AmqpClient amqp = await ConnectAsync(options => options.PublishTimeout = TimeSpan.FromMinutes(1));
        string queue = await NewQueueAsync(amqp);
        Task found = await BlockAsync(amqp);
        Task[] waiting = [.. Enumerable.Range(0, 10)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask())];
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 10);
        await KillAsync("send");
        Assert.True(await EndOf(found).WaitAsync(Limit, Cancelled) is null or AmqpUnknownOutcomeException);
        await UntilAsync(() => amqp.Status.Links[0] is { Epoch: > 1, State: AmqpLinkState.Open });
        // the new connection is blocked as well: its first publish finds out
        Assert.InRange(waiting.Count(publish => publish.IsCompleted), 0, 1);
        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        await Task.WhenAll(waiting).WaitAsync(Limit, Cancelled);
        Assert.Equal(10, await MessagesInAsync(queue));
    }

    [Fact]
    public async Task A_cancelled_publish_leaves_a_blocked_link_at_once()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        Task found = await BlockAsync(amqp);
        using var cancel = new CancellationTokenSource();
        Task<Exception?> waiting = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), cancel.Token));
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 1);
        await cancel.CancelAsync();
        Assert.IsType<OperationCanceledException>(await waiting.WaitAsync(Margin, Cancelled));
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 0);
        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        await found.WaitAsync(Limit, Cancelled);
        Assert.Equal(0, await MessagesInAsync(queue));
    }
}
