namespace SafeAmqp.IntegrationTests.Publishing;

public sealed class CreditTests(TestBroker broker) : FaultTest(broker)
{
    [Fact]
    public async Task With_Fail_a_publish_beyond_the_bound_of_messages_was_not_sent_and_says_so_at_once()
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.FullMode, options.MaxPendingMessages) = (AmqpFullMode.Fail, 10));
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task<Exception?>[] admitted = [.. Enumerable.Range(0, 10)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled)))];
        var (error, took) = await TimedEndOf(() => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        var full = Assert.IsType<AmqpNotSentException>(error);
        Assert.Null(full.InnerException); // no time-out
        Assert.NotNull(full.Status);
        Assert.True(took < Margin, $"took {took}");
        await Broker.Node.ResumeAsync(Cancelled);
        Assert.All(await Task.WhenAll(admitted).WaitAsync(Limit, Cancelled), Assert.Null);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled); // the credit is back
        Assert.Equal(11, await MessagesInAsync(queue));
    }

    [Fact]
    public async Task With_Fail_a_publish_beyond_the_bound_of_bytes_was_not_sent()
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.FullMode, options.MaxPendingBytes) = (AmqpFullMode.Fail, 10_000));
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task<Exception?>[] admitted = [.. Enumerable.Range(0, 10)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[1000]), Cancelled)))];
        Assert.IsType<AmqpNotSentException>(
            await EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[1]), Cancelled)));
        Task<Exception?> empty = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        await Broker.Node.ResumeAsync(Cancelled);
        Assert.All(await Task.WhenAll(admitted.Append(empty)).WaitAsync(Limit, Cancelled), Assert.Null);
    }

    [Theory]
    [InlineData(5, 1L << 20)]
    [InlineData(1000, 5 * 1024L)]
    public async Task With_Wait_publishes_beyond_the_bound_wait_their_turn(int messages, long bytes)
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.MaxPendingMessages, options.MaxPendingBytes) = (messages, bytes));
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task[] publishes = [.. Enumerable.Range(0, 50)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[1024]), Cancelled).AsTask())];
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 5);
        Assert.Equal(0, amqp.Status.Links[0].QueuedMessages);
        await Broker.Node.ResumeAsync(Cancelled);
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        Assert.Equal(50, await MessagesInAsync(queue));
    }

    [Fact]
    public async Task One_message_larger_than_the_whole_credit_is_admitted_alone()
    {
        AmqpClient amqp = await ConnectAsync(
            options => (options.MaxPendingBytes, options.MaxUnconfirmedBytes) = (1024, 1024));
        string queue = await NewQueueAsync(amqp);
        Task[] publishes = [.. Enumerable.Range(0, 10).Select(i =>
            amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[i % 2 == 0 ? 100_000 : 10]), Cancelled).AsTask())];
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        Assert.Equal(
            Enumerable.Range(0, 10).Select(i => i % 2 == 0 ? 100_000 : 10),
            (await TakeAsync(amqp, queue, 10)).Select(delivery => delivery.Body.Length));
    }

    [Fact]
    public async Task A_token_ends_the_wait_for_credit()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxPendingMessages = 1);
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        Task first = amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask();
        using var cancel = new CancellationTokenSource();
        Task<Exception?> waiting = EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), cancel.Token));
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        var cancelled = Assert.IsType<OperationCanceledException>(
            await waiting.WaitAsync(Margin, Cancelled), exactMatch: false);
        Assert.Equal(cancel.Token, cancelled.CancellationToken);
        await Broker.Node.ResumeAsync(Cancelled);
        await first.WaitAsync(Limit, Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask().WaitAsync(Limit, Cancelled);
        Assert.Equal(2, await MessagesInAsync(queue));
    }
}
