namespace SafeAmqp.IntegrationTests.Recovery;

public sealed class TopologyReplayTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task What_was_declared_and_then_lost_is_back_after_a_recovery(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Layout = layout);
        string exchange = NewName(), queue = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, AmqpExchangeType.Direct).Queue(queue)
                .Bind(exchange, "key").ToQueue(queue),
            Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "key", []), Cancelled);
        await Broker.Node.DeleteQueueAsync(queue, Cancelled);
        Assert.Equal(-1, await MessagesInAsync(queue));
        await KillAsync(LinkThatSends(layout));
        await UntilAsync(() => amqp.Status.Links[0] is { Epoch: > 1, State: AmqpLinkState.Open });
        // mandatory: the binding is back as well
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "key", []), Cancelled);
        Assert.Equal(1, await MessagesInAsync(queue));
        Assert.All(amqp.Status.Links, link => Assert.Empty(link.TopologyErrors));
    }

    [Fact]
    public async Task An_entity_that_cannot_be_declared_again_is_named_and_does_not_keep_the_others_from_it()
    {
        AmqpClient amqp = await ConnectAsync();
        AmqpClient other = await ConnectAsync(options => options.ClientName = "test-other");
        string first = NewName(), bad = NewName(), last = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Queue(first).Queue(bad).Queue(last), Cancelled);
        foreach (string queue in (string[])[first, bad, last])
            await Broker.Node.DeleteQueueAsync(queue, Cancelled);
        await other.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = bad, MaxLength = 7 }), Cancelled);
        await KillAsync("send");
        await UntilAsync(() => amqp.Status.Links[0] is { Epoch: > 1, State: AmqpLinkState.Open });
        await amqp.PublishAsync(AmqpMessage.ToQueue(first, []), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(last, []), Cancelled);
        string error = Assert.Single(amqp.Status.Links[0].TopologyErrors);
        Assert.Contains(bad, error, StringComparison.Ordinal);
        Assert.Contains("406", error, StringComparison.Ordinal);

        await Broker.Node.DeleteQueueAsync(bad, Cancelled); // once the cause is removed, the next recovery heals it
        await KillAsync("send");
        await UntilAsync(() => amqp.Status.Links[0] is { Epoch: > 2, State: AmqpLinkState.Open });
        Assert.Empty(amqp.Status.Links[0].TopologyErrors);
        await amqp.PublishAsync(AmqpMessage.ToQueue(bad, []), Cancelled);
    }
}
