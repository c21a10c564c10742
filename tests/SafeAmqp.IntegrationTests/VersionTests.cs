namespace SafeAmqp.IntegrationTests;

/// <summary>Where RabbitMQ 4 behaves otherwise than 3.10, as users see it. Each test runs on either.</summary>
[Trait("Broker", "3.10")]
[OnlyRabbitMq("the embedded broker is one version, compared with RabbitMQ case by case in SafeAmqp.Testing.Tests")]
public sealed class VersionTests(TestBroker broker) : FeatureTest(broker)
{
    private bool Is4 => Broker.RabbitMq.Version >= new Version(4, 0);

    [Fact]
    public async Task A_body_above_16_MiB_is_refused_by_4_0_and_confirmed_by_3_10()
    {
        bool is4 = Is4;
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 32 << 20);
        string queue = await NewQueueAsync(amqp);
        await InTime(amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[16 << 20]), Cancelled));
        ValueTask publish = amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[(16 << 20) + 1]), Cancelled);
        if (is4)
        {
            var error = await Assert.ThrowsAsync<AmqpRefusedException>(() => InTime(publish));
            Assert.Contains("larger than configured max size 16777216", error.Message, StringComparison.Ordinal);
        }
        else
        {
            await InTime(publish);
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Fact]
    public async Task A_quorum_queue_without_a_limit_dead_letters_at_the_20th_return_in_4_0_and_never_in_3_10()
    {
        bool is4 = Is4;
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp, AmqpQueueType.Quorum);
        // By hand, which is at once: what a handler returns is held for a while before it goes back
        var inbox = new Inbox((delivery, _) =>
        {
            delivery.Settle(AmqpSettlement.Requeue);
            return ValueTask.FromResult(AmqpSettlement.Requeue);
        });
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "poison");
        if (is4)
        {
            await UntilReadyAsync(witness, dead, 1);
            Assert.Equal(Enumerable.Range(0, 21), inbox.All.Select(delivery => delivery.PreviousAttempts));
        }
        else
        {
            await inbox.NextAsync(40);
            Assert.Equal(0u, await witness.ReadyAsync(dead));
        }
    }

    [Fact]
    public async Task An_unknown_exchange_type_is_refused_by_name_and_costs_a_connection_in_3_10_and_none_in_4_0()
    {
        bool is4 = Is4;
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName(), exchange = NewName();
        long start = TimeProvider.System.GetTimestamp();
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(() => InTime(amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, "x-missing").Bind(exchange).ToQueue(queue).Queue(queue), Cancelled)));
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(5));
        Assert.Equal(($"exchange '{exchange}'", is4 ? 406 : 503), (error.Entity, error.ReplyCode));
        Assert.Contains("enable the broker's plugin", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("binding", error.Message, StringComparison.Ordinal);
        await PublishAsync(amqp, queue, "well");
        Assert.Equal((is4 ? 1 : 2, 1), (amqp.Status.Links[0].Epoch, amqp.Status.Links[1].Epoch));
    }

    [Fact]
    public async Task A_stream_passes_over_what_was_rejected_in_4_0()
    {
        Assert.SkipUnless(Is4, "3.10 knows no rejection of what a stream delivers.");
        AmqpClient amqp = await ConnectAsync();
        string stream = NewName();
        var queue = new AmqpQueue { Name = stream, Type = AmqpQueueType.Stream };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        await PublishAsync(amqp, stream, Numbers(20));
        var inbox = new Inbox(AmqpSettlement.Reject);
        var options = new AmqpConsumerOptions
        {
            Prefetch = 5,
            Arguments = new Dictionary<string, object?> { ["x-stream-offset"] = "first" },
        };
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(stream, inbox.HandleAsync, options, Cancelled);
        Assert.Equal(Numbers(20), (await inbox.NextAsync(20)).Select(Text));
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }
}
