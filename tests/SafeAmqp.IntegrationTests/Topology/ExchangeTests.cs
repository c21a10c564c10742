namespace SafeAmqp.IntegrationTests.Topology;

[Trait("Broker", "3.10")]
public sealed class ExchangeTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory]
    [InlineData(AmqpExchangeType.Direct, "a.b", "a.b", "a.c")]
    [InlineData(AmqpExchangeType.Topic, "a.*", "a.b", "b.b")]
    [InlineData(AmqpExchangeType.Fanout, "", "anything", null)]
    public async Task An_exchange_of_each_type_routes_as_its_type_says(
        string type, string bindingKey, string routed, string? unrouted)
    {
        AmqpClient amqp = await ConnectAsync();
        string exchange = NewName(), queue = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, type).Queue(queue)
                .Bind(exchange, bindingKey).ToQueue(queue), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, routed, Bytes("in")), Cancelled);
        if (unrouted is not null)
            await Assert.ThrowsAsync<AmqpReturnedException>(async () => await amqp.PublishAsync(
                AmqpMessage.ToExchange(exchange, unrouted, Bytes("out")), Cancelled));
        Witness witness = await WitnessAsync();
        Assert.Equal(1u, await witness.ReadyAsync(queue));
    }

    [Fact]
    public async Task A_headers_exchange_routes_by_the_arguments_of_its_bindings()
    {
        AmqpClient amqp = await ConnectAsync();
        string exchange = NewName(), all = NewName(), any = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .Exchange(exchange, AmqpExchangeType.Headers)
            .Queue(all)
            .Queue(any)
            .With(new AmqpBinding
            {
                Exchange = exchange,
                Queue = all,
                Arguments = new Dictionary<string, object?> { ["x-match"] = "all", ["color"] = "red", ["size"] = 5 }
            })
            .With(new AmqpBinding
            {
                Exchange = exchange,
                Queue = any,
                Arguments = new Dictionary<string, object?> { ["x-match"] = "any", ["color"] = "red", ["size"] = 5 }
            }), Cancelled);
        var message = AmqpMessage.ToExchange(exchange, "", []);
        await amqp.PublishAsync(
            message with { Headers = new Dictionary<string, object?> { ["color"] = "red" } }, Cancelled);
        await amqp.PublishAsync(
            message with { Headers = new Dictionary<string, object?> { ["color"] = "red", ["size"] = 5 } }, Cancelled);
        await Assert.ThrowsAsync<AmqpReturnedException>(async () => await amqp.PublishAsync(
            message with { Headers = new Dictionary<string, object?> { ["color"] = "blue" } }, Cancelled));
        Witness witness = await WitnessAsync();
        Assert.Equal((1u, 2u), (await witness.ReadyAsync(all), await witness.ReadyAsync(any)));
    }

    [Fact]
    public async Task An_exchange_bound_to_an_exchange_passes_messages_on()
    {
        AmqpClient amqp = await ConnectAsync();
        string outer = NewName(), inner = NewName(), queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .Exchange(outer, AmqpExchangeType.Topic)
            .Exchange(inner, AmqpExchangeType.Fanout)
            .Queue(queue)
            .Bind(outer, "log.#").ToExchange(inner)
            .Bind(inner).ToQueue(queue), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange(outer, "log.error", Bytes("in")), Cancelled);
        await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToExchange(outer, "other", Bytes("out")), Cancelled));
        Witness witness = await WitnessAsync();
        Assert.Equal(1u, await witness.ReadyAsync(queue));
    }

    [Fact]
    public async Task What_an_exchange_cannot_route_goes_to_its_alternate()
    {
        AmqpClient amqp = await ConnectAsync();
        string main = NewName(), alternate = NewName(), routed = NewName(), rest = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .Exchange(alternate, AmqpExchangeType.Fanout)
            .With(new AmqpExchange { Name = main, AlternateExchange = alternate })
            .Queue(routed).Queue(rest)
            .Bind(main, "known").ToQueue(routed).Bind(alternate).ToQueue(rest), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange(main, "known", []), Cancelled);
        // no error: it was routed after all
        await amqp.PublishAsync(AmqpMessage.ToExchange(main, "unknown", []), Cancelled);
        Witness witness = await WitnessAsync();
        Assert.Equal((1u, 1u), (await witness.ReadyAsync(routed), await witness.ReadyAsync(rest)));
    }

    [Fact]
    public async Task An_auto_delete_exchange_goes_with_its_last_binding_and_a_transient_one_stays_transient()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string exchange = NewName(), queue = await NewQueueAsync(amqp);
        AmqpExchange transient = new() { Name = exchange, AutoDelete = true, Durable = false };
        await amqp.DeclareAsync(new AmqpTopology().With(transient).Bind(exchange, "k").ToQueue(queue), Cancelled);
        await amqp.DeclareAsync(new AmqpTopology().With(transient), Cancelled);
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(
            async () => await amqp.DeclareAsync(new AmqpTopology().With(transient with { Durable = true }), Cancelled));
        Assert.Equal(406, error.ReplyCode);
        await witness.Channel.QueueUnbindAsync(queue, exchange, "k", null, Cancelled);
        error = await Assert.ThrowsAsync<AmqpTopologyException>(
            async () => await amqp.DeclareAsync(new AmqpTopology().With(transient with { Passive = true }), Cancelled));
        Assert.Equal(404, error.ReplyCode);
    }

    [Fact]
    public async Task Passive_only_checks()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string exchange = NewName(), queue = NewName();
        var checks = new Dictionary<string, AmqpTopology>
        {
            [$"queue '{queue}'"] = new AmqpTopology().With(new AmqpQueue { Name = queue, Passive = true }),
            [$"exchange '{exchange}'"] = new AmqpTopology().With(new AmqpExchange { Name = exchange, Passive = true }),
        };
        foreach (var (entity, passive) in checks)
        {
            var error = await Assert.ThrowsAsync<AmqpTopologyException>(
                async () => await amqp.DeclareAsync(passive, Cancelled));
            Assert.Equal((404, entity), (error.ReplyCode, error.Entity));
        }
        Assert.False(await witness.ExistsAsync(queue));
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Topic).Queue(queue), Cancelled);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Passive = true })
            .With(new AmqpExchange { Name = exchange, Passive = true }), Cancelled);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }
}
