namespace SafeAmqp.IntegrationTests.Security;

// A broker passes a message's headers on as they came: one publisher could keep every consumer of a queue reconnecting.
public sealed class PoisonMessageTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory]
    [InlineData("nested too deep", AmqpQueueType.Classic)]
    [InlineData("nested too deep", AmqpQueueType.Quorum)]
    [InlineData("too large for this client", AmqpQueueType.Classic)]
    [InlineData("too large for this client", AmqpQueueType.Quorum)]
    public async Task A_message_that_must_not_be_read_ends_its_link_twice_then_its_consumer_and_stays_in_its_queue(
        string kind, AmqpQueueType type)
    {
        Witness witness = await WitnessAsync();
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 64 << 10);
        string queue = NewName(), other = await NewQueueAsync(amqp);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Type = type }), Cancelled);
        await PublishAsync(amqp, queue, "before");
        if (kind == "nested too deep")
            await witness.PublishAsync(queue, [], properties => properties.Headers = Nested(70));
        else
            await witness.PublishAsync(queue, new byte[(64 << 10) + 1]);
        await PublishAsync(amqp, queue, "behind");
        var handled = new System.Collections.Concurrent.ConcurrentQueue<string>();
        await amqp.ConsumeAsync(
            other, (_, _) => ValueTask.FromResult(AmqpSettlement.Ack), cancellationToken: Cancelled);
        AmqpPoisonException? error = null;
        try
        {
            AmqpSubscription consumer = await amqp.ConsumeAsync(queue, (delivery, _) =>
            {
                handled.Enqueue(Text(delivery));
                return ValueTask.FromResult(AmqpSettlement.Ack);
            }, new AmqpConsumerOptions { Prefetch = 1 }, Cancelled);
            await UntilAsync(() => consumer.Error is not null);
            error = Assert.IsType<AmqpPoisonException>(consumer.Error);
        }
        catch (AmqpPoisonException thrown)
        {
            error = thrown;
        }
        Assert.Equal(queue, error.Queue);
        Assert.Contains(
            kind == "nested too deep" ? "more than 64 deep" : "65537 bytes", error.Message, StringComparison.Ordinal);
        await UntilAsync(() => amqp.Status.Links.All(link => link.State == AmqpLinkState.Open));
        Assert.Equal(3, amqp.Status.Links[1].Epoch);
        // It is nobody's to throw away. What lies behind it may come first, while the broker has not yet noticed that
        // the link it was on is gone.
        await UntilReadyAsync(witness, queue, handled.Contains("behind") ? 1u : 2u);
        await PublishAsync(amqp, other, "the others go on");
        await UntilReadyAsync(witness, other, 0);
    }

    private static Dictionary<string, object?> Nested(int depth)
    {
        var table = new Dictionary<string, object?>();
        for (int i = 1; i < depth; i++)
            table = new Dictionary<string, object?> { ["k"] = table };
        return table;
    }
}
