namespace SafeAmqp.IntegrationTests.Publishing;

/// <summary>What becomes of publishes that are unanswered when the link is lost.</summary>
public sealed class InFlightTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task By_default_each_is_reported_as_unknown_and_none_is_repeated(AmqpConnectionLayout layout)
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.Layout) = (proxy.Uri, layout));
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true;
        Task<Exception?>[] ends = [.. Enumerable.Range(0, 100)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled)))];
        await UntilAsync(() => MessagesInAsync(queue), count => count == 100);
        Assert.True(proxy.Reset() > 0);
        Assert.All(
            await Task.WhenAll(ends).WaitAsync(Limit, Cancelled),
            end => Assert.IsType<AmqpUnknownOutcomeException>(end));
        proxy.ToClient.Paused = false;
        await UntilAsync(() => amqp.Status.IsReady);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        Assert.Equal(101, await MessagesInAsync(queue));
    }

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task With_Republish_each_goes_again_with_the_same_message_id_and_before_anything_newer(
        AmqpConnectionLayout layout)
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options =>
            (options.Uri, options.Layout, options.InFlight) = (proxy.Uri, layout, AmqpInFlightPolicy.Republish));
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true;
        Task[] first = [.. Enumerable.Range(0, 50).Select(i => amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, BitConverter.GetBytes(
                i)) with { MessageId = i % 2 == 0 ? $"own-{i}" : null }, Cancelled)
                .AsTask())];
        await UntilAsync(() => MessagesInAsync(queue), count => count == 50);
        proxy.Refuse = true;
        Assert.True(proxy.Reset() > 0);
        await UntilAsync(() => amqp.Status.Links[0].State is AmqpLinkState.Waiting or AmqpLinkState.Connecting);
        Task[] second = [.. Enumerable.Range(50, 50)
            .Select(i => amqp.PublishAsync(AmqpMessage.ToQueue(queue, BitConverter.GetBytes(i)), Cancelled).AsTask())];
        proxy.ToClient.Paused = proxy.Refuse = false;
        await Task.WhenAll([.. first, .. second]).WaitAsync(Limit, Cancelled);

        IReadOnlyList<AmqpDelivery> all = await TakeAsync(amqp, queue, 150);
        Assert.Equal(
            [.. Enumerable.Range(0, 50), .. Enumerable.Range(0, 100)],
            all.Select(delivery => BitConverter.ToInt32(delivery.Body.Span)));
        for (int i = 0; i < 50; i++)
        {
            Assert.NotNull(all[i].Message.MessageId);
            Assert.Equal(all[i].Message.MessageId, all[i + 50].Message.MessageId);
            if (i % 2 == 0)
                Assert.Equal($"own-{i}", all[i].Message.MessageId);
        }
        Assert.Equal(100, all.Select(delivery => delivery.Message.MessageId).Distinct().Count());
    }

    [Fact]
    public async Task With_Republish_a_publish_still_ends_at_its_deadline_as_unknown()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.InFlight, options.PublishTimeout) = (
            proxy.Uri, AmqpInFlightPolicy.Republish, TimeSpan.FromSeconds(1)));
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true;
        Task<(Exception? Error, TimeSpan Took)> publish = TimedEndOf(
            () => amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 1);
        proxy.Refuse = true;
        Assert.True(proxy.Reset() > 0);
        var (error, took) = await publish;
        Assert.IsType<AmqpUnknownOutcomeException>(error); // it had left once
        Assert.InRange(took, TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(1) + Margin);
    }

    [Fact]
    public async Task What_had_not_left_stays_queued_and_is_sent_on_the_next_connection()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(
            options => (options.Uri, options.MaxUnconfirmedMessages) = (proxy.Uri, 10));
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true;
        Task<Exception?>[] ends = [.. Enumerable.Range(0, 50)
            .Select(i => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, BitConverter.GetBytes(i)), Cancelled)))];
        await UntilAsync(() => amqp.Status.Links[0] is { UnconfirmedMessages: 10, QueuedMessages: 40 });
        await UntilAsync(() => MessagesInAsync(queue), count => count == 10);
        Assert.True(proxy.Reset() > 0);
        proxy.ToClient.Paused = false;
        Exception?[] errors = await Task.WhenAll(ends).WaitAsync(Limit, Cancelled);
        Assert.All(errors.Take(10), end => Assert.IsType<AmqpUnknownOutcomeException>(end));
        Assert.All(errors.Skip(10), Assert.Null);
        Assert.Equal(
            Enumerable.Range(0, 50),
            (await TakeAsync(amqp, queue, 50)).Select(delivery => BitConverter.ToInt32(delivery.Body.Span)));
    }
}
