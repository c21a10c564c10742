using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Publishing;

[Trait("Broker", "3.10")]
public sealed class PublishTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task A_publish_ends_when_the_broker_has_confirmed_it(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Layout = layout);
        string queue = await NewQueueAsync(amqp);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, "hello"u8.ToArray()), Cancelled);
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            Assert.Equal("hello"u8.ToArray(), delivery.Body.ToArray());
            break;
        }
        Assert.Equal(layout == AmqpConnectionLayout.Shared ? 1 : 2, (await ConnectionsAsync()).Count);
    }

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task Any_number_of_callers_share_one_channel_and_each_hears_of_its_own_message(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Layout = layout);
        string queue = await NewQueueAsync(amqp);
        var history = new History(publishers: 50, messagesEach: 100);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(publisher => Task.Run(async () =>
        {
            for (int number = 0; number < 100; number++)
                await history.PublishAsync(amqp, queue, publisher, number);
        })));
        // One for declaring per link, one for publishing, one for the consumer; those of the test before may still end
        await UntilAsync(ChannelsAsync, channels => channels is >= 2 and <= 4);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(5000, history.Count(Ending.Confirmed));
    }

    [Fact]
    public async Task Publishes_are_pipelined_a_later_one_does_not_wait_for_the_answer_to_an_earlier_one()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = proxy.Uri);
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true; // the broker's answers are held back, its work is not
        Task[] publishes = [.. Enumerable.Range(0, 200)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask())];
        await UntilAsync(() => MessagesInAsync(queue), count => count == 200);
        Assert.DoesNotContain(publishes, publish => publish.IsCompleted);
        Assert.Equal(200, amqp.Status.Links[0].UnconfirmedMessages);
        proxy.ToClient.Paused = false;
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 0);
    }

    [Fact]
    public async Task No_more_than_the_window_is_unconfirmed_and_the_rest_waits_here()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(
            options => (options.Uri, options.MaxUnconfirmedMessages) = (proxy.Uri, 50));
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true;
        Task[] publishes = [.. Enumerable.Range(0, 200)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask())];
        await UntilAsync(() => amqp.Status.Links[0] is { UnconfirmedMessages: 50, QueuedMessages: 150 });
        proxy.ToClient.Paused = false;
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        Assert.Equal(200, await MessagesInAsync(queue));
    }

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task What_a_caller_publishes_without_waiting_leaves_in_that_order(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Layout = layout);
        string queue = await NewQueueAsync(amqp);
        var history = new History(publishers: 8, messagesEach: 2000);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history);
        var publishes = new ConcurrentBag<Task>();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(publisher => Task.Run(() =>
        {
            for (int number = 0; number < 2000; number++)
                publishes.Add(history.PublishAsync(amqp, queue, publisher, number));
        })));
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(16_000, history.Count(Ending.Confirmed));
    }

    [Fact]
    public async Task Order_is_kept_by_publishes_that_wait_for_credit()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxPendingMessages = 20);
        string queue = await NewQueueAsync(amqp);
        var history = new History(publishers: 4, messagesEach: 2000);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history);
        var publishes = new ConcurrentBag<Task>();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(publisher => Task.Run(() =>
        {
            for (int number = 0; number < 2000; number++)
                publishes.Add(history.PublishAsync(amqp, queue, publisher, number));
        })));
        await Task.WhenAll(publishes).WaitAsync(Limit, Cancelled);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(8000, history.Count(Ending.Confirmed));
    }

    [Fact]
    public async Task A_batch_tells_the_outcome_of_each_in_its_order()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        string missing = NewName();
        IReadOnlyList<AmqpPublishResult> results = await amqp.PublishAllAsync(
        [
            AmqpMessage.ToQueue(queue, "1"u8.ToArray()),
            AmqpMessage.ToQueue(missing, "2"u8.ToArray()),
            AmqpMessage.ToExchange(missing, "", "3"u8.ToArray()),
            AmqpMessage.ToQueue(queue, "4"u8.ToArray()),
        ], Cancelled);
        Assert.Equal(
            [AmqpOutcome.Confirmed, AmqpOutcome.Returned, AmqpOutcome.Refused, AmqpOutcome.Confirmed],
            results.Select(result => result.Outcome));
        Assert.All(results, result => Assert.Equal(result.IsConfirmed, result.Error is null));
        results[0].ThrowIfNotConfirmed();
        Assert.Throws<AmqpReturnedException>(results[1].ThrowIfNotConfirmed);
        Assert.Throws<AmqpRefusedException>(results[2].ThrowIfNotConfirmed);
        Assert.Equal(["1", "4"], (await TakeAsync(amqp, queue, 2))
            .Select(delivery => System.Text.Encoding.UTF8.GetString(delivery.Body.Span)));
    }

    [Fact]
    public async Task A_batch_larger_than_the_credit_arrives_whole_and_in_order()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxPendingMessages = 10);
        string queue = await NewQueueAsync(amqp);
        AmqpMessage[] batch = [
            .. Enumerable.Range(0, 1000).Select(number => AmqpMessage.ToQueue(queue, BitConverter.GetBytes(number)))];
        IReadOnlyList<AmqpPublishResult> results = await amqp.PublishAllAsync(batch, Cancelled);
        Assert.All(results, result => Assert.True(result.IsConfirmed));
        Assert.Equal(
            Enumerable.Range(0, 1000),
            (await TakeAsync(amqp, queue, 1000)).Select(delivery => BitConverter.ToInt32(delivery.Body.Span)));
    }

    [Fact]
    public async Task A_cancelled_batch_says_which_were_not_sent()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxUnconfirmedMessages = 5);
        string queue = await NewQueueAsync(amqp);
        await PauseBrokerAsync();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        Task<IReadOnlyList<AmqpPublishResult>> batch = amqp.PublishAllAsync(
            [.. Enumerable.Range(0, 20).Select(_ => AmqpMessage.ToQueue(queue, []))], cancel.Token);
        await UntilAsync(() => amqp.Status.Links[0] is { UnconfirmedMessages: 5, QueuedMessages: 15 });
        await cancel.CancelAsync();
        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 0);
        Assert.False(batch.IsCompleted); // what was sent is still awaited
        await Broker.Node.ResumeAsync(Cancelled);
        IReadOnlyList<AmqpPublishResult> results = await batch.WaitAsync(Limit, Cancelled);
        Assert.All(results.Take(5), result => Assert.Equal(AmqpOutcome.Confirmed, result.Outcome));
        Assert.All(results.Skip(5), result => Assert.Equal(AmqpOutcome.NotSent, result.Outcome));
        Assert.Equal(5, await MessagesInAsync(queue));
    }

    [Fact]
    public async Task A_post_ends_when_it_was_handed_over_and_arrives_without_being_awaited()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = proxy.Uri);
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true; // no answer can come
        for (int i = 0; i < 100; i++)
            await amqp.PostAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask().WaitAsync(Limit, Cancelled);
        Assert.Equal(100, amqp.Status.Links[0].UnconfirmedMessages);
        await UntilAsync(() => MessagesInAsync(queue), count => count == 100);
        proxy.ToClient.Paused = false;
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 0);
    }

    [Fact]
    public async Task A_post_that_cannot_be_handed_over_says_so()
    {
        AmqpClient amqp = NewClient(options => (options.Uri, options.PublishTimeout) = (
            "amqp://guest:guest@127.0.0.1:1/", TimeSpan.FromMilliseconds(300)));
        var error = await Assert.ThrowsAsync<AmqpNotSentException>(
            async () => await amqp.PostAsync(AmqpMessage.ToQueue("q", []), Cancelled));
        Assert.IsType<TimeoutException>(error.InnerException);
    }

    // All of the broker's, whose only clients are the test's.
    private Task<int> ChannelsAsync() => Broker.Node.CountChannelsAsync(Cancelled);
}
