namespace SafeAmqp.IntegrationTests.Topology;

[Trait("Broker", "3.10")]
public sealed class AdminTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task Queues_are_counted_purged_and_deleted_and_bindings_taken_away_for_good(ConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        (string queue, string other, string own, string exchange) = (NewName(), NewName(), NewName(), NewName());
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout)
            .Queue(queue).Queue(other).With(new AmqpQueue { Name = own, Exclusive = true })
            .Bind(exchange, queue).Bind(exchange, other), Cancelled);
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
            AmqpMessage.ToExchange(exchange, "", default), Cancelled));
        await amqp.Admin.DeleteExchangeAsync(exchange, Cancelled);
        await Assert.ThrowsAsync<AmqpRefusedException>(async () => await amqp.PublishAsync(
            AmqpMessage.ToExchange(exchange, "", default), Cancelled));
    }
}
