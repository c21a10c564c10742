namespace SafeAmqp.IntegrationTests.Security;

// A broker passes a message's headers on as they came: one publisher could keep every consumer of a queue from its
// work.
[Trait("Broker", "3.10")]
public sealed class PoisonMessageTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory]
    [InlineData(AmqpQueueType.Classic)]
    [InlineData(AmqpQueueType.Quorum)]
    public async Task A_message_that_is_too_large_for_this_client_stops_its_consumer_alone_and_stays_in_its_queue(
        AmqpQueueType type)
    {
        Witness witness = await WitnessAsync();
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 64 << 10);
        string queue = NewName(), other = await NewQueueAsync(amqp);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Type = type }), Cancelled);
        await PublishAsync(amqp, queue, "before");
        await witness.PublishAsync(queue, new byte[(64 << 10) + 1]);
        await UntilReadyAsync(witness, queue, 2);
        await PublishAsync(amqp, queue, "behind");
        await amqp.ConsumeAsync(
            other, (_, _) => ValueTask.FromResult(AmqpSettlement.Ack), cancellationToken: Cancelled);
        AmqpSubscription consumer = await amqp.ConsumeAsync(queue, (_, _) => ValueTask.FromResult(AmqpSettlement.Ack),
            new AmqpConsumerOptions { Prefetch = 1 }, Cancelled);
        await UntilAsync(() => consumer.Error is not null);
        var error = Assert.IsType<AmqpPoisonException>(consumer.Error);
        Assert.Equal(queue, error.Queue);
        Assert.Contains("65537 bytes", error.Message, StringComparison.Ordinal);
        await UntilReadyAsync(witness, queue, 2); // it is not thrown away
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
        await PublishAsync(amqp, other, "the others go on");
        await UntilReadyAsync(witness, other, 0);
    }

    [Theory]
    [InlineData(AmqpQueueType.Classic)]
    [InlineData(AmqpQueueType.Quorum)]
    public async Task A_message_whose_headers_cannot_be_read_is_dead_lettered_and_its_consumer_goes_on(
        AmqpQueueType type)
    {
        Witness witness = await WitnessAsync();
        AmqpClient amqp = await ConnectAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp, type);
        await PublishAsync(amqp, queue, "before");
        await witness.PublishAsync(queue, [], properties => properties.Headers = Nested(70));
        await UntilReadyAsync(witness, queue, 2);
        await PublishAsync(amqp, queue, "behind");
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        Assert.Equal(["before", "behind"], (await inbox.NextAsync(2)).Select(Text));
        await UntilReadyAsync(witness, dead, 1);
        await UntilReadyAsync(witness, queue, 0);
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    [Fact]
    public async Task Dead_letters_return_also_when_their_headers_cannot_be_read_and_what_is_too_large_is_told()
    {
        Witness witness = await WitnessAsync();
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 64 << 10);
        string queue = await NewQueueAsync(amqp), dead = Named($"{queue}.dead");
        await amqp.DeclareAsync(new AmqpTopology().Queue(dead), Cancelled);
        await witness.PublishAsync(dead, Bytes("unreadable"), properties => properties.Headers = Nested(70));
        await PublishAsync(amqp, dead, "letter");
        await UntilReadyAsync(witness, dead, 2);
        Assert.Equal(2, await InTime(amqp.Admin.ReturnDeadAsync(queue, Cancelled)));
        await UntilReadyAsync(witness, queue, 2);
        Assert.Equal(["letter", "unreadable"], (await BodiesAsync(witness, queue, 2)).Order());

        await witness.PublishAsync(dead, new byte[(64 << 10) + 1]);
        await UntilReadyAsync(witness, dead, 1);
        var error = await Assert.ThrowsAsync<AmqpPoisonException>(
            () => InTime(amqp.Admin.ReturnDeadAsync(queue, Cancelled)));
        Assert.Contains("65537 bytes", error.Message, StringComparison.Ordinal);
        await UntilReadyAsync(witness, dead, 1); // it is not thrown away
    }

    [Fact]
    public async Task A_message_whose_headers_cannot_be_read_has_its_body_in_the_dead_queue()
    {
        Witness witness = await WitnessAsync();
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp), dead = Named($"{queue}.dead"), body = new('u', 5000);
        await amqp.ConsumeAsync(queue, (_, _) => ValueTask.FromResult(AmqpSettlement.Ack),
            cancellationToken: Cancelled);
        await witness.PublishAsync(queue, Bytes(body), properties => properties.Headers = Nested(70));
        await UntilAsync(() => amqp.Status.Links[^1].Consumers[0].Rejected == 1);
        Assert.Equal([body], await BodiesAsync(witness, dead, 1));
    }

    private static async Task<string[]> BodiesAsync(Witness witness, string queue, int count)
    {
        var bodies = new List<string>();
        while (bodies.Count < count
            && await witness.Channel.BasicGetAsync(queue, autoAck: true, Cancelled) is { } got)
            bodies.Add(System.Text.Encoding.UTF8.GetString(got.Body.Span));
        return [.. bodies];
    }

    private static Dictionary<string, object?> Nested(int depth)
    {
        var table = new Dictionary<string, object?>();
        for (int i = 1; i < depth; i++)
            table = new Dictionary<string, object?> { ["k"] = table };
        return table;
    }
}
