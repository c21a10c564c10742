namespace SafeAmqp.IntegrationTests.Publishing;

public sealed class DeadlineTests(TestBroker broker) : FaultTest(broker)
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(500);

    [Fact]
    public async Task A_publish_that_timed_out_while_the_broker_blocks_was_not_sent()
    {
        AmqpClient amqp = await ConnectAsync(options => options.PublishTimeout = TimeSpan.FromSeconds(2));
        string queue = await NewQueueAsync(amqp);
        Task found = await BlockAsync(amqp);
        var (error, took) = await TimedEndOf(
            () => amqp.PublishAsync(AmqpMessage.ToQueue(queue, "blocked"u8.ToArray()), Cancelled));
        var notSent = Assert.IsType<AmqpNotSentException>(error);
        Assert.IsType<TimeoutException>(notSent.InnerException);
        Assert.NotNull(notSent.Status!.Links[0].BlockedReason);
        Assert.Contains("blocked", notSent.Message, StringComparison.Ordinal);
        Assert.InRange(took, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(2) + Margin);
        Assert.True(await EndOf(found) is null or AmqpUnknownOutcomeException); // that one had left
        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        await UntilAsync(() => amqp.Status.IsReady);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, "after"u8.ToArray()), Cancelled);
        Assert.DoesNotContain(
            await TakeAsync(amqp, queue, await MessagesInAsync(queue)),
            delivery => delivery.Body.Span.SequenceEqual("blocked"u8));
    }

    [Fact]
    public async Task A_publish_that_timed_out_after_the_hand_over_to_a_frozen_broker_is_unknown()
    {
        AmqpClient amqp = await ConnectAsync(options => options.PublishTimeout = Short);
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        var (error, took) = await TimedEndOf(() => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        var unknown = Assert.IsType<AmqpUnknownOutcomeException>(error);
        Assert.IsType<TimeoutException>(unknown.InnerException);
        Assert.False(unknown.IsSafeToRepeat);
        Assert.InRange(took, Short - TimeSpan.FromMilliseconds(50), Short + Margin);
        Assert.Equal(1, unknown.Status!.Links[0].UnconfirmedMessages); // its answer may still come
        await Broker.Node.ResumeAsync(Cancelled);
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 0);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Limit, Cancelled); // not by the short deadline
        Assert.Equal(2, await MessagesInAsync(queue));
    }

    [Fact]
    public async Task Behind_a_full_window_a_publish_that_timed_out_was_not_sent()
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.PublishTimeout, options.MaxUnconfirmedMessages) = (Short, 1));
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task<Exception?> first = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        Task<Exception?> second = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        Assert.IsType<AmqpUnknownOutcomeException>(await first);
        Assert.IsType<AmqpNotSentException>(await second);
        await Broker.Node.ResumeAsync(Cancelled);
        await UntilAsync(() => MessagesInAsync(queue), count => count == 1);
    }

    [Fact]
    public async Task A_publish_that_waited_in_vain_for_credit_was_not_sent()
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.PublishTimeout, options.MaxPendingMessages) = (Short, 1));
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        // has a longer deadline
        Task<Exception?> holder = EndOf(
            amqp.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled).AsTask());
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 1);
        var (error, took) = await TimedEndOf(() => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        var notSent = Assert.IsType<AmqpNotSentException>(error);
        Assert.IsType<TimeoutException>(notSent.InnerException);
        Assert.InRange(took, Short - TimeSpan.FromMilliseconds(50), Short + Margin);
        Assert.False(holder.IsCompleted);
    }

    [Fact]
    public async Task A_token_ends_only_what_has_not_left()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxUnconfirmedMessages = 1);
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        using var cancel = new CancellationTokenSource();
        Task<Exception?> sent = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, "sent"u8.ToArray()), cancel.Token));
        Task<Exception?> queued = EndOf(
            amqp.PublishAsync(AmqpMessage.ToQueue(queue, "queued"u8.ToArray()), cancel.Token));
        await UntilAsync(() => amqp.Status.Links[0] is { UnconfirmedMessages: 1, QueuedMessages: 1 });
        await cancel.CancelAsync();
        var cancelled = Assert.IsType<OperationCanceledException>(await queued.WaitAsync(Margin, Cancelled));
        Assert.Equal(cancel.Token, cancelled.CancellationToken);
        Assert.False(sent.IsCompleted);
        await Broker.Node.ResumeAsync(Cancelled);
        Assert.Null(await sent.WaitAsync(Limit, Cancelled));
        Assert.Equal(
            "sent"u8.ToArray(),
            Assert.Single(await TakeAsync(amqp, queue, await MessagesInAsync(queue))).Body.ToArray());
    }

    [Fact]
    public async Task A_token_that_fired_before_sends_nothing()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), cancelled.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await amqp.PostAsync(AmqpMessage.ToQueue(queue, []), cancelled.Token));
        Assert.All(
            await amqp.PublishAllAsync([AmqpMessage.ToQueue(queue, [])], cancelled.Token),
            result => Assert.Equal(AmqpOutcome.NotSent, result.Outcome));
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        Assert.Equal(1, await MessagesInAsync(queue));
    }
}
