namespace SafeAmqp.IntegrationTests.Consuming;

// The broker cancels a consumer when its queue goes. Nothing else tells.
[Trait("Broker", "3.10")]
public sealed class CancelledConsumerTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task A_consumer_of_a_declared_queue_that_is_deleted_gets_it_back_with_its_bindings(
        AmqpConnectionLayout layout)
    {
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(layout, options => options.LoggerFactory = lines);
        Witness witness = await WitnessAsync();
        string exchange = NewName(), queue = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, AmqpExchangeType.Topic).Queue(queue)
                .Bind(exchange, "a.*").ToQueue(queue),
            Cancelled);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        // live for the second time
        await UntilAsync(
            () => lines.Lines.Count(line => line.StartsWith("Information 300", StringComparison.Ordinal)) == 2);
        Assert.Equal(AmqpConsumerState.Live, subscription.State);
        // and at the first try: the queue was back before
        Assert.Contains("cancelled the consumer", subscription.LastError!, StringComparison.Ordinal);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "a.b", Bytes("after")), Cancelled);
        Assert.Equal("after", Text(await inbox.NextAsync()));
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Fact]
    public async Task A_consumer_whose_queue_came_back_is_not_live_before_its_bindings_are_back()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string exchange = NewName(), queue = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout).Queue(queue).Bind(exchange).ToQueue(queue),
            Cancelled);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        relay.Hold(method => method.IsQueueDeclareOk);
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        // the queue is back, and the client does not know it: its binding is still to be asked for
        await UntilAsync(() => relay.Held > 0);
        Assert.Equal(AmqpConsumerState.Recovering, subscription.State);
        Assert.Equal(0u, await witness.ConsumersAsync(queue));
        await relay.ReleaseAsync();
        await UntilAsync(() => subscription.State == AmqpConsumerState.Live);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "", Bytes("after")), Cancelled);
        Assert.Equal("after", Text(await inbox.NextAsync()));
    }

    [Fact]
    public async Task A_consumer_of_somebody_elses_queue_that_is_deleted_says_so_and_goes_on_when_the_queue_is_back()
    {
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.LoggerFactory = lines;
            options.MaxReconnectDelay = TimeSpan.FromMilliseconds(200);
        });
        Witness witness = await WitnessAsync();
        string queue = await witness.QueueAsync(NewName()), sibling = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        AmqpSubscription other = await amqp.ConsumeAsync(sibling, inbox.HandleAsync, cancellationToken: Cancelled);
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        // it has tried again
        await UntilAsync(() => subscription.LastError?.Contains("no queue", StringComparison.Ordinal) == true);
        Assert.Equal(AmqpConsumerState.Recovering, subscription.State);
        AmqpConsumerStatus status = amqp.Status.Links[1].Consumers.Single(consumer => consumer.Queue == queue);
        Assert.Equal(AmqpConsumerState.Recovering, status.State);
        Assert.Contains(queue, amqp.Status.ToString(), StringComparison.Ordinal);
        Assert.Contains(lines.Lines, line => line.StartsWith("Warning 301", StringComparison.Ordinal)
            && line.Contains(queue, StringComparison.Ordinal));
        Assert.Equal(AmqpConsumerState.Live, other.State);
        Assert.Null(other.LastError);

        await witness.QueueAsync(queue);
        await UntilAsync(() => subscription.State == AmqpConsumerState.Live);
        await PublishAsync(amqp, queue, "after");
        Assert.Equal("after", Text(await inbox.NextAsync()));
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Fact]
    public async Task A_consumer_without_a_queue_can_still_be_stopped()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await witness.QueueAsync(NewName());
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, new Inbox().HandleAsync, cancellationToken: Cancelled);
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        await UntilAsync(() => subscription.State == AmqpConsumerState.Recovering);
        await InTime(subscription.DisposeAsync());
        Assert.Equal(AmqpConsumerState.Stopped, subscription.State);
        await witness.QueueAsync(queue);
        await PublishAsync(amqp, queue, "a");
        Assert.Equal((1u, 0u), (await witness.ReadyAsync(queue), await witness.ConsumersAsync(queue)));
    }
}
