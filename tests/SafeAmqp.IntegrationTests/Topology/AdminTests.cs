namespace SafeAmqp.IntegrationTests.Topology;

[Trait("Broker", "3.10")]
public sealed class AdminTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task Queues_are_counted_purged_and_deleted_and_bindings_taken_away_for_good(
        AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        (string queue, string other, string own, string exchange) = (NewName(), NewName(), NewName(), NewName());
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout)
            .Queue(queue).Queue(other).With(new AmqpQueue { Name = own, Exclusive = true })
            .Bind(exchange).ToQueue(queue).Bind(exchange).ToQueue(other), Cancelled);
        await PublishAsync(amqp, queue, "a", "b", "c");
        await PublishAsync(amqp, own, "a");
        await amqp.ConsumeAsync(other, new Inbox().HandleAsync, cancellationToken: Cancelled);

        Assert.Equal(new AmqpQueueCounts(3, 0), await amqp.Admin.CountAsync(queue, Cancelled));
        Assert.Equal(new AmqpQueueCounts(0, 1), await amqp.Admin.CountAsync(other, Cancelled));
        Assert.Equal(new AmqpQueueCounts(1, 0), await amqp.Admin.CountAsync(own, Cancelled));
        Assert.Equal(3, await amqp.Admin.PurgeAsync(queue, Cancelled));
        Assert.Equal(0, await amqp.Admin.PurgeAsync(queue, Cancelled));
        var missing = await Assert.ThrowsAsync<AmqpTopologyException>(
            () => amqp.Admin.CountAsync(NewName(), Cancelled));
        Assert.Equal(404, missing.ReplyCode);

        await amqp.Admin.UnbindAsync(new AmqpBinding { Exchange = exchange, Queue = other }, Cancelled);
        await amqp.Admin.DeleteQueueAsync(queue, Cancelled);
        await amqp.Admin.DeleteQueueAsync(queue, Cancelled); // that there is none is no error
        int epoch = amqp.Status.Links[^1].Epoch;
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > epoch && link.State == AmqpLinkState.Open));

        Assert.False(await witness.ExistsAsync(queue)); // nor after a recovery
        await Assert.ThrowsAsync<AmqpReturnedException>(async () => await amqp.PublishAsync(
            AmqpMessage.ToExchange(exchange, "", []), Cancelled));
        await amqp.Admin.DeleteExchangeAsync(exchange, Cancelled);
        await Assert.ThrowsAsync<AmqpRefusedException>(async () => await amqp.PublishAsync(
            AmqpMessage.ToExchange(exchange, "", []), Cancelled));
    }

    [Fact]
    public async Task A_queue_that_was_only_looked_for_is_deleted_when_it_is_named()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(await ConnectAsync());
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Passive = true }), Cancelled);
        await amqp.Admin.DeleteQueueAsync(queue, Cancelled);
        Assert.False(await witness.ExistsAsync(queue));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task One_message_is_got_and_acknowledged_returned_or_rejected_by_its_handle(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        (string queue, string dead) = (NewName(), NewName());
        await amqp.DeclareAsync(new AmqpTopology().Queue(dead)
            .With(new AmqpQueue { Name = queue, DeadLetterExchange = "", DeadLetterRoutingKey = dead }), Cancelled);
        Assert.Null(await amqp.Admin.GetAsync(queue, Cancelled));
        await PublishAsync(amqp, queue, "a", "b", "c");

        AmqpDelivery a = (await amqp.Admin.GetAsync(queue, Cancelled))!, b = (await amqp.Admin.GetAsync(queue,
            Cancelled))!;
        Assert.Equal(("a", queue, false), (Text(a), a.Queue, a.IsRedelivered));
        var missing = await Assert.ThrowsAsync<AmqpTopologyException>(
            () => amqp.Admin.GetAsync(NewName(), Cancelled));
        Assert.Equal(404, missing.ReplyCode); // and harms no other message
        Assert.Equal(AmqpSettleResult.Settled, a.Settle(AmqpSettlement.Requeue));
        Assert.Equal(AmqpSettleResult.Settled, b.Settle(AmqpSettlement.Reject));
        Assert.Equal(AmqpSettleResult.AlreadySettled, b.Settle(AmqpSettlement.Ack));
        await UntilAsync(() => amqp.Admin.CountAsync(dead, Cancelled), counts => counts.Messages == 1);
        await UntilAsync(() => amqp.Admin.CountAsync(queue, Cancelled), counts => counts.Messages == 2);

        AmqpDelivery again = (await amqp.Admin.GetAsync(queue, Cancelled))!;
        Assert.Equal(("a", true), (Text(again), again.IsRedelivered));
        again.Settle(AmqpSettlement.Ack);
        AmqpDelivery last = (await amqp.Admin.GetAsync(queue, Cancelled))!;
        Assert.Equal("c", Text(last));
        last.Settle(AmqpSettlement.Ack);
        Assert.Null(await amqp.Admin.GetAsync(queue, Cancelled));
        await amqp.DisposeAsync(); // also what was acknowledged last has left
        AmqpClient other = await ConnectAsync(layout);
        Assert.Equal(0, (await other.Admin.CountAsync(queue, Cancelled)).Messages);
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_message_that_was_got_and_not_settled_comes_again_after_its_link(AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = relay.Uri);
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        await PublishAsync(amqp, queue, "a");
        AmqpDelivery got = (await amqp.Admin.GetAsync(queue, Cancelled))!;
        relay.Cut();
        await UntilAsync(() => got.Lost.IsCancellationRequested);
        Assert.Equal(AmqpSettleResult.Stale, got.Settle(AmqpSettlement.Ack));
        AmqpDelivery? again = await UntilAsync(() => amqp.Admin.GetAsync(queue, Cancelled), found => found is not null);
        Assert.Equal(("a", true), (Text(again!), again!.IsRedelivered));
        await amqp.DisposeAsync(); // unsettled: it goes back
        AmqpClient other = await ConnectAsync(layout);
        await UntilAsync(() => other.Admin.CountAsync(queue, Cancelled), counts => counts.Messages == 1);
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_stream_that_was_declared_here_is_refused_before_it_ends_the_link(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        string stream = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .With(new AmqpQueue { Name = stream, Type = AmqpQueueType.Stream }), Cancelled);
        await Assert.ThrowsAsync<ArgumentException>(() => amqp.Admin.GetAsync(stream, Cancelled));
        AmqpClient other = await ConnectAsync(layout); // it cannot know: the broker's word, once, and the link is back
        await Assert.ThrowsAsync<AmqpTopologyException>(() => other.Admin.GetAsync(stream, Cancelled));
        await UntilAsync(() => other.Status.Links.All(link => link.State == AmqpLinkState.Open));
        Assert.Equal(0, (await other.Admin.CountAsync(stream, Cancelled)).Consumers);
    }
}
