namespace SafeAmqp.IntegrationTests.Publishing;

// A publish waits for what is being declared and could route it, instead of being returned.
public sealed class UnderWayTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    [Trait("Broker", "3.10")]
    public async Task A_publish_behind_a_declaration_that_is_not_awaited_is_routed_by_what_it_declares(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        for (int i = 0; i < 20; i++)
        {
            string exchange = NewName(), inner = NewName(), queue = NewName(), own = NewName();
            Task declaring = amqp.DeclareAsync(new AmqpTopology()
                .Exchange(exchange, AmqpExchangeType.Topic).Exchange(inner, AmqpExchangeType.Fanout)
                .Bind(exchange, "a.#").ToExchange(inner).Queue(queue).Bind(inner).ToQueue(queue)
                .With(new AmqpQueue { Name = own, Exclusive = true, Durable = false })
                .Bind(exchange, "own").ToQueue(own),
                Cancelled);
            Task[] publishes =
            [
                amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("0")), Cancelled).AsTask(),
                amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "a.b", Bytes("1")), Cancelled).AsTask(),
                amqp.PublishAsync(AmqpMessage.ToExchange(inner, "any", Bytes("2")), Cancelled).AsTask(),
                amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "own", Bytes("3")), Cancelled).AsTask(),
                amqp.PublishAsync(AmqpMessage.ToQueue(own, Bytes("4")), Cancelled).AsTask(),
            ];
            foreach (Task publish in publishes)
                await InTime(publish);
            await InTime(declaring);
        }
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task What_is_published_while_a_lost_link_comes_back_finds_its_exclusive_queue(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout, options =>
        {
            options.InFlight = AmqpInFlightPolicy.Republish;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(1);
            options.MaxReconnectDelay = TimeSpan.FromSeconds(1);
        });
        string exchange = NewName(), own = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout)
            .With(new AmqpQueue { Name = own, Exclusive = true, Durable = false })
            .Bind(exchange).ToQueue(own), Cancelled);
        for (int i = 0; i < 5; i++)
        {
            int epoch = amqp.Status.Links[^1].Epoch;
            await KillAsync(layout == AmqpConnectionLayout.Shared ? "shared" : "receive");
            await UntilAsync(() => amqp.Status.Links[^1].Epoch > epoch
                || amqp.Status.Links[^1].State != AmqpLinkState.Open);
            await InTime(amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "", Bytes("a")), Cancelled));
            await InTime(amqp.PublishAsync(AmqpMessage.ToQueue(own, Bytes("b")), Cancelled));
        }
    }
}
