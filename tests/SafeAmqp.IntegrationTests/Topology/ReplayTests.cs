namespace SafeAmqp.IntegrationTests.Topology;

// What was declared is the client's desired state: it is put back when the link comes back.
[Trait("Broker", "3.10")]
public sealed class ReplayTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task Exclusive_and_auto_delete_queues_come_back_with_their_bindings_and_consumers(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        string receive = layout == AmqpConnectionLayout.Shared ? "shared" : "receive";
        string exchange = NewName(), exclusive = NewName(), autoDelete = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .Exchange(exchange, AmqpExchangeType.Topic)
            .With(new AmqpQueue { Name = exclusive, Exclusive = true, Durable = false })
            .With(new AmqpQueue { Name = autoDelete, AutoDelete = true, Durable = false })
            .Bind(exchange, "x.*").ToQueue(exclusive)
            .Bind(exchange, "x.*").ToQueue(autoDelete), Cancelled);
        // Exclusive: locked for every other connection. It lives on the link that consumes.
        var locked = await Assert.ThrowsAsync<RabbitMQ.Client.Exceptions.OperationInterruptedException>(
            () => witness.Channel.QueueDeclarePassiveAsync(exclusive, Cancelled));
        Assert.Equal(405, locked.ShutdownReason!.ReplyCode);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(exclusive, inbox.HandleAsync, cancellationToken: Cancelled);
        await amqp.ConsumeAsync(autoDelete, inbox.HandleAsync, cancellationToken: Cancelled);
        int epoch = amqp.Status.Links[^1].Epoch;
        await KillAsync(receive);
        await UntilAsync(
            () => amqp.Status.Links[^1].Epoch > epoch && amqp.Status.Links[^1].State == AmqpLinkState.Open);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "x.y", Bytes("after")), Cancelled);
        Assert.Equal([exclusive, autoDelete], (await inbox.NextAsync(2)).Select(delivery => delivery.Queue).Order());
        Assert.Empty(amqp.Status.Links.SelectMany(link => link.TopologyErrors));
    }

    [Fact]
    public async Task A_binding_of_an_exclusive_queue_declared_later_is_made_where_the_queue_is()
    {
        AmqpClient amqp = await ConnectAsync();
        string exchange = NewName(), exclusive = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = exclusive, Exclusive = true, Durable = false }), Cancelled);
        await amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout)
                .Bind(exchange).ToQueue(exclusive), Cancelled);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(exclusive, inbox.HandleAsync, cancellationToken: Cancelled);
        await amqp.PublishAsync(AmqpMessage.Broadcast(exchange, Bytes("a")), Cancelled);
        Assert.Equal("a", Text(await inbox.NextAsync()));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task Everything_is_declared_again_on_a_broker_that_has_lost_it(AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options =>
        {
            options.Uri = relay.Uri;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(500); // time to take everything away
        });
        Witness witness = await WitnessAsync();
        string first = NewName(), second = NewName(), queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .Exchange(first, AmqpExchangeType.Topic)
            .Exchange(second, AmqpExchangeType.Headers)
            .With(new AmqpQueue { Name = queue, MaxLength = 7, Overflow = AmqpOverflow.RejectPublish })
            .With(new AmqpBinding { Exchange = first, ToExchange = second, RoutingKey = "#" })
            .With(new AmqpBinding
            {
                Exchange = second,
                Queue = queue,
                Arguments = new Dictionary<string, object?> { ["x-match"] = "any", ["k"] = 1 }
            }), Cancelled);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        // connection.start: no new link gets through
        relay.Hold(method => (method.ClassId, method.MethodId) == (10, 10));
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.State != AmqpLinkState.Open));
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        await witness.Channel.ExchangeDeleteAsync(first, ifUnused: false, noWait: false, Cancelled);
        await witness.Channel.ExchangeDeleteAsync(second, ifUnused: false, noWait: false, Cancelled);
        Assert.False(await witness.ExistsAsync(queue));
        await relay.ReleaseAsync();
        await UntilAsync(() => amqp.Status.Links.All(link => link.State == AmqpLinkState.Open)
            && subscription.State == AmqpConsumerState.Live);
        var after = AmqpMessage.ToExchange(first, "any", Bytes("after"));
        await amqp.PublishAsync(after with { Headers = new Dictionary<string, object?> { ["k"] = 1 } }, Cancelled);
        Assert.Equal("after", Text(await inbox.NextAsync()));
        await subscription.DisposeAsync();
        // With its arguments: any other declaration is a mismatch.
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(
            async () => await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled));
        Assert.Equal(406, error.ReplyCode);
        Assert.Empty(amqp.Status.Links.SelectMany(link => link.TopologyErrors));
    }

    [Fact]
    public async Task What_cannot_be_declared_again_is_reported_and_keeps_nothing_else_from_recovering()
    {
        FrameRelay relay = NewRelay();
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = relay.Uri;
            options.LoggerFactory = lines;
        });
        Witness witness = await WitnessAsync();
        string good = await NewQueueAsync(amqp), bad = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(good, inbox.HandleAsync, cancellationToken: Cancelled);
        await witness.Channel.QueueDeleteAsync(bad, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        // somebody else's now
        await witness.Channel.QueueDeclareAsync(
            bad, durable: false, exclusive: false, autoDelete: false, cancellationToken: Cancelled);
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > 1 && link.State == AmqpLinkState.Open));
        await PublishAsync(amqp, good, "after");
        Assert.Equal("after", Text(await inbox.NextAsync()));
        Assert.All(amqp.Status.Links, link =>
        {
            string error = Assert.Single(link.TopologyErrors);
            Assert.Contains($"queue '{bad}': 406", error, StringComparison.Ordinal);
        });
        // once per link
        Assert.Equal(2, lines.Lines.Count(line => line.StartsWith("Error 200", StringComparison.Ordinal)
            && line.Contains(bad, StringComparison.Ordinal)));
        // Put right by hand: gone with the next recovery.
        await witness.Channel.QueueDeleteAsync(bad, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        int[] epochs = [.. amqp.Status.Links.Select(link => link.Epoch)];
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.Select((link, i) => link.Epoch > epochs[i]
            && link.State == AmqpLinkState.Open && link.TopologyErrors.Count == 0).All(right => right));
    }

    [Fact]
    public async Task What_was_refused_is_not_declared_again()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = NewName();
        await witness.QueueAsync(queue);
        await Assert.ThrowsAsync<AmqpTopologyException>(async () => await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Durable = false }), Cancelled));
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, noWait: false, Cancelled);
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > 1 && link.State == AmqpLinkState.Open));
        Assert.False(await witness.ExistsAsync(queue));
        Assert.Empty(amqp.Status.Links.SelectMany(link => link.TopologyErrors));
    }

    [Fact]
    public async Task A_declaration_begun_while_the_link_is_away_is_made_when_it_is_back()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        relay.Hold(method => (method.ClassId, method.MethodId) == (10, 10));
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.State != AmqpLinkState.Open));
        string queue = NewName();
        Task declare = amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        Task<AmqpSubscription> consume = amqp.ConsumeAsync(
            await witness.QueueAsync(NewName()), new Inbox().HandleAsync, cancellationToken: Cancelled);
        Assert.False(declare.IsCompleted || consume.IsCompleted);
        await relay.ReleaseAsync();
        await InTime(declare);
        Assert.Equal(AmqpConsumerState.Live, (await InTime(consume)).State);
        Assert.True(await witness.ExistsAsync(queue));
    }
}
