using System.Globalization;

namespace SafeAmqp.IntegrationTests.Topology;

/// <summary>What a broker may allow is asked of it, and a refusal is its own.</summary>
[Trait("Broker", "3.10")]
public sealed class BrokerDecidesTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory]
    [InlineData("amq.topic", AmqpExchangeType.Topic, false, null)]
    [InlineData("amq.topic", AmqpExchangeType.Topic, true, null)]
    [InlineData("amq.rabbitmq.trace", AmqpExchangeType.Topic, true, null)]
    [InlineData("amq.topic", AmqpExchangeType.Fanout, false, 406)]
    [InlineData("amq.mine", AmqpExchangeType.Direct, false, 403)]
    public async Task An_exchange_of_a_reserved_name(string name, string type, bool passive, int? code)
    {
        AmqpClient amqp = await ConnectAsync();
        var exchange = new AmqpExchange { Name = name, Type = type, Passive = passive };
        Assert.Equal(code, await CodeOfAsync(amqp.DeclareAsync(new AmqpTopology().With(exchange), Cancelled)));
        await FineAsync(amqp);
    }

    [Fact]
    public async Task A_queue_of_a_reserved_name()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string theirs = Named(await witness.QueueAsync(""));
        Assert.StartsWith("amq.gen-", theirs, StringComparison.Ordinal);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = theirs, Passive = true }), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(theirs, []), Cancelled);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(theirs, inbox.HandleAsync, cancellationToken: Cancelled);
        await inbox.NextAsync();
        Assert.Equal(403, await CodeOfAsync(amqp.DeclareAsync(new AmqpTopology().Queue("amq.mine"), Cancelled)));
        await FineAsync(amqp);
    }

    [Theory]
    [InlineData("x-unknown-to-this-client", "text", null)]
    [InlineData("x-max-priority", 200, null)]
    [InlineData("x-max-priority", 256, 406)]
    [InlineData("x-queue-mode", "lazy", null)]
    [InlineData("x-expires", 0, 406)]
    [InlineData("x-queue-type", "of a plugin", 406)]
    public async Task An_argument_of_a_queue(string argument, object value, int? code)
    {
        AmqpClient amqp = await ConnectAsync();
        var arguments = new Dictionary<string, object?> { [argument] = value };
        var queue = new AmqpQueue { Name = NewName(), Arguments = arguments };
        Assert.Equal(code, await CodeOfAsync(amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled)));
        await FineAsync(amqp);
    }

    // Octets are what is limited, and 255 are allowed.
    [Theory]
    [InlineData("x", 255)]
    [InlineData("é", 127)]
    [InlineData("漢", 85)]
    [InlineData("🐇", 63)]
    public async Task A_name_as_long_as_the_protocol_allows(string letter, int times)
    {
        AmqpClient amqp = await ConnectAsync();
        string id = Guid.NewGuid().ToString("N")[..8];
        string queue = string.Concat(Enumerable.Repeat(letter, times - (8 / Bytes(letter).Length) - 1)) + id;
        string tag = string.Concat(Enumerable.Repeat(letter, times));
        Named(queue);
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, AutoDelete = true })
                .Bind("amq.direct", tag).ToQueue(queue), Cancelled);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions
        {
            ConsumerTag = tag,
            OnFailure = AmqpFailurePolicy.Reject,
        }, Cancelled);
        await amqp.PublishAsync(
            AmqpMessage.ToExchange("amq.direct", tag, Bytes("a")) with { MessageId = tag, Type = tag }, Cancelled);
        AmqpDelivery delivery = await inbox.NextAsync();
        Assert.Equal((tag, tag, tag),
            (delivery.Message.RoutingKey, delivery.Message.MessageId, delivery.Message.Type));
        Assert.Equal(tag, amqp.Status.Links[^1].Consumers.Single().ConsumerTag);
    }

    [Theory, InlineData("amqp://guest:@{0}/"), InlineData("amqp://guest@{0}/"), InlineData("amqp://:@{0}/")]
    public async Task An_empty_password(string uri)
    {
        var broker = new Uri(Broker.Uri);
        AmqpClient amqp = NewClient(options =>
        {
            options.Uri = string.Format(CultureInfo.InvariantCulture, uri, $"{broker.Host}:{broker.Port}");
            options.FirstConnect = AmqpFirstConnect.FailFast;
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.True(error.IsRefused);
        Assert.Contains("403", error.Message, StringComparison.Ordinal);
    }

    private static async Task<int?> CodeOfAsync(Task declared)
    {
        try
        {
            await InTime(declared);
            return null;
        }
        catch (AmqpTopologyException refused)
        {
            return refused.ReplyCode;
        }
    }

    private async Task FineAsync(AmqpClient amqp)
    {
        string queue = await NewQueueAsync(amqp);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }
}
