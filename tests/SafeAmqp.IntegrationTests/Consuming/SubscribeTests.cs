namespace SafeAmqp.IntegrationTests.Consuming;

[Trait("Broker", "3.10")]
public sealed class SubscribeTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task One_call_subscribes_to_an_exchange_and_a_recovery_does_so_again(AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient publisher = await ConnectAsync();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string exchange = NewName();
        await publisher.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Topic), Cancelled);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.SubscribeAsync(exchange, ["order.*", "bill.#"], inbox.HandleAsync,
            cancellationToken: Cancelled);
        await publisher.PublishAsync(exchange, "order.new", Bytes("a"), Cancelled);
        await publisher.PublishAsync(exchange, "bill.paid.late", Bytes("b"), Cancelled);
        await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await publisher.PublishAsync(exchange, "stock", Bytes("c"), Cancelled));
        Assert.Equal(["a", "b"], (await inbox.NextAsync(2)).Select(Text));

        int epoch = amqp.Status.Links[^1].Epoch;
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > epoch) && amqp.Status.IsReady);
        await publisher.PublishAsync(exchange, "order.old", Bytes("d"), Cancelled);
        Assert.Equal("d", Text(await inbox.NextAsync()));

        Assert.False(subscription.Completion.IsCompleted);
        await InTime(subscription.StopAsync(Cancelled));
        await InTime(subscription.Completion);
        // a broker may answer that the consumer has gone before its queue has
        await UntilAsync(() => witness.ExistsAsync(subscription.Queue), exists => !exists);
        await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await publisher.PublishAsync(exchange, "order.new", Bytes("e"), Cancelled));
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > epoch + 1) && amqp.Status.IsReady);
        Assert.Empty(amqp.Status.Links.SelectMany(link => link.TopologyErrors));
        Assert.False(await witness.ExistsAsync(subscription.Queue)); // nor is it made again
    }

    [Fact]
    public async Task A_subscription_to_an_exchange_that_is_missing_is_refused_and_leaves_nothing()
    {
        AmqpClient amqp = await ConnectAsync();

        var refused = await Assert.ThrowsAsync<AmqpTopologyException>(() => amqp.SubscribeAsync(NewName(), [],
            new Inbox().HandleAsync, cancellationToken: Cancelled));

        Assert.Equal(404, refused.ReplyCode);
        Assert.Empty(amqp.Status.Links.SelectMany(link => link.Consumers));
    }

    [Fact]
    public async Task A_subscription_that_a_message_stopped_completes_with_the_reason()
    {
        AmqpClient publisher = await ConnectAsync();
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 1024);
        string queue = await NewQueueAsync(publisher);
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, new Inbox().HandleAsync,
            cancellationToken: Cancelled);
        await publisher.PublishAsync("", queue, new byte[2048], Cancelled);

        await Assert.ThrowsAsync<AmqpPoisonException>(() => InTime(subscription.Completion));
    }

    [Fact]
    public async Task A_publish_ends_by_the_time_out_that_was_given_to_it()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(amqp);
        relay.Refuse();
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links[0].State != AmqpLinkState.Open);
        long start = TimeProvider.System.GetTimestamp();

        var late = await Assert.ThrowsAsync<AmqpNotSentException>(async () => await amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, Bytes("a")), TimeSpan.FromMilliseconds(300), Cancelled));

        Assert.IsType<TimeoutException>(late.InnerException);
        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromMilliseconds(290),
            TimeSpan.FromSeconds(10)); // 30 s without it
        relay.Accept();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, Bytes("a")), TimeSpan.Zero, Cancelled));
    }
}
