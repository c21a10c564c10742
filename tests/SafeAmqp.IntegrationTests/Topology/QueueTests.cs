using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Topology;

// Each setting is judged by what the broker does, not by what was sent.
[Trait("Broker", "3.10")]
public sealed class QueueTests(TestBroker broker) : FeatureTest(broker)
{
    private async Task<(AmqpClient Client, Witness Witness, string Dead)> StartAsync()
    {
        AmqpClient amqp = await ConnectAsync();
        return (amqp, await WitnessAsync(), await NewQueueAsync(amqp));
    }

    [Fact]
    public async Task Each_short_form_makes_the_type_that_it_names()
    {
        AmqpClient amqp = await ConnectAsync();
        string any = NewName(), classic = NewName(), quorum = NewName(), stream = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .Queue(any).ClassicQueue(classic).QuorumQueue(quorum).Stream(stream), Cancelled);
        // The broker refuses another type for a queue that is there
        AmqpClient other = await ConnectAsync();
        await other.DeclareAsync(new AmqpTopology()
            .ClassicQueue(any).Queue(classic).ClassicQueue(classic).QuorumQueue(quorum).Stream(stream), Cancelled);
        foreach (AmqpTopology wrong in (AmqpTopology[])[new AmqpTopology().QuorumQueue(any),
            new AmqpTopology().QuorumQueue(classic), new AmqpTopology().Stream(quorum),
            new AmqpTopology().ClassicQueue(stream)])
        {
            var error = await Assert.ThrowsAsync<AmqpTopologyException>(
                async () => await other.DeclareAsync(wrong, Cancelled));
            Assert.Equal(406, error.ReplyCode);
        }
    }

    [Theory, InlineData(AmqpQueueType.Classic), InlineData(AmqpQueueType.Quorum)]
    public async Task A_message_that_waited_too_long_is_dead_lettered(AmqpQueueType type)
    {
        var (amqp, witness, dead) = await StartAsync();
        AmqpQueue queue = new()
        {
            Name = NewName(),
            Type = type,
            MessageTtl = TimeSpan.FromMilliseconds(100),
            DeadLetterExchange = "",
            DeadLetterRoutingKey = dead
        };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        await PublishAsync(amqp, queue.Name, "a");
        await UntilReadyAsync(witness, dead, 1);
        Assert.Equal(0u, await witness.ReadyAsync(queue.Name));
    }

    [Fact]
    public async Task A_queue_that_is_not_used_expires()
    {
        var (amqp, witness, _) = await StartAsync();
        AmqpQueue queue = new() { Name = NewName(), Expires = TimeSpan.FromSeconds(1.5) };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        Assert.True(await witness.ExistsAsync(queue.Name)); // each look is a use
        // Looking would keep it: a message returned tells without a look.
        var watch = Stopwatch.StartNew();
        bool returned = false;
        while (!returned)
        {
            Assert.True(watch.Elapsed < Limit);
            returned = (await amqp.PublishAllAsync([AmqpMessage.ToQueue(queue.Name, [])], Cancelled))[0].Outcome
                == AmqpOutcome.Returned;
        }
        Assert.False(await witness.ExistsAsync(queue.Name));
    }

    [Theory, InlineData(AmqpQueueType.Classic), InlineData(AmqpQueueType.Quorum)]
    public async Task A_full_queue_drops_its_oldest_message(AmqpQueueType type)
    {
        var (amqp, witness, dead) = await StartAsync();
        AmqpQueue queue = new()
        {
            Name = NewName(),
            Type = type,
            MaxLength = 3,
            Overflow = AmqpOverflow.DropHead,
            DeadLetterExchange = "",
            DeadLetterRoutingKey = dead
        };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        await PublishAsync(amqp, queue.Name, Numbers(5));
        await UntilReadyAsync(witness, dead, 2);
        Assert.Equal(3u, await witness.ReadyAsync(queue.Name));
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue.Name, inbox.HandleAsync, cancellationToken: Cancelled);
        Assert.Equal(["2", "3", "4"], (await inbox.NextAsync(3)).Select(Text));
    }

    [Fact]
    public async Task A_full_queue_that_rejects_publishes_nacks_them()
    {
        var (amqp, witness, dead) = await StartAsync();
        AmqpQueue queue = new() { Name = NewName(), MaxLength = 2, Overflow = AmqpOverflow.RejectPublish };
        AmqpQueue letters = new()
        {
            Name = NewName(),
            MaxLength = 2,
            Overflow = AmqpOverflow.RejectPublishDeadLetter,
            DeadLetterExchange = "",
            DeadLetterRoutingKey = dead
        };
        AmqpQueue bytes = new() { Name = NewName(), MaxLengthBytes = 10, Overflow = AmqpOverflow.RejectPublish };
        await amqp.DeclareAsync(new AmqpTopology().With(queue).With(letters).With(bytes), Cancelled);
        foreach (string full in (string[])[queue.Name, letters.Name])
        {
            await PublishAsync(amqp, full, "1", "2");
            var error = await Assert.ThrowsAsync<AmqpNackedException>(
                async () => await amqp.PublishAsync(AmqpMessage.ToQueue(full, []), Cancelled));
            Assert.True(error.IsSafeToRepeat);
            Assert.Equal(2u, await witness.ReadyAsync(full));
        }
        await UntilReadyAsync(witness, dead, 1);
        await PublishAsync(amqp, bytes.Name, "0123456789");
        await Assert.ThrowsAsync<AmqpNackedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(bytes.Name, Bytes("x")), Cancelled));
    }

    [Fact]
    public async Task A_priority_queue_delivers_the_highest_first()
    {
        var (amqp, _, _) = await StartAsync();
        AmqpQueue queue = new() { Name = NewName(), MaxPriority = 10 };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        foreach (byte priority in (byte[])[1, 9, 5, 10, 0, 7])
            await amqp.PublishAsync(AmqpMessage.ToQueue(queue.Name, []) with { Priority = priority }, Cancelled);
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue.Name, inbox.HandleAsync, new AmqpConsumerOptions { Prefetch = 1 }, Cancelled);
        Assert.Equal(
            [10, 9, 7, 5, 1, 0], (await inbox.NextAsync(6)).Select(delivery => (int)(delivery.Message.Priority ?? 0)));
    }

    [Fact]
    public async Task A_quorum_queue_dead_letters_what_came_too_often()
    {
        var (amqp, witness, dead) = await StartAsync();
        AmqpQueue queue = new()
        {
            Name = NewName(),
            Type = AmqpQueueType.Quorum,
            DeliveryLimit = 2,
            DeadLetterExchange = "",
            DeadLetterRoutingKey = dead
        };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        var inbox = new Inbox(AmqpSettlement.Requeue);
        await amqp.ConsumeAsync(queue.Name, inbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue.Name, "poison");
        await UntilReadyAsync(witness, dead, 1);
        Assert.Equal([0, 1, 2], inbox.All.Select(delivery => delivery.PreviousAttempts));
    }

    [Fact]
    public async Task A_stream_keeps_what_was_read()
    {
        var (amqp, witness, _) = await StartAsync();
        AmqpQueue stream = new() { Name = NewName(), Type = AmqpQueueType.Stream, MaxLengthBytes = 1 << 20 };
        await amqp.DeclareAsync(new AmqpTopology().With(stream), Cancelled);
        await PublishAsync(amqp, stream.Name, Numbers(5));
        for (int i = 0; i < 2; i++)
        {
            var inbox = new Inbox();
            await using AmqpSubscription subscription = await amqp.ConsumeAsync(stream.Name, inbox.HandleAsync,
                new AmqpConsumerOptions
                {
                    Arguments = new Dictionary<string, object?> { ["x-stream-offset"] = "first" }
                },
                Cancelled);
            Assert.Equal(Numbers(5), (await inbox.NextAsync(5)).Select(Text));
        }
    }

    [Fact]
    public async Task Further_arguments_reach_the_broker_and_win()
    {
        var (amqp, _, _) = await StartAsync();
        AmqpQueue queue = new()
        {
            Name = NewName(),
            MaxLength = 100,
            Overflow = AmqpOverflow.RejectPublish,
            Arguments = new Dictionary<string, object?> { ["x-max-length"] = 1L, ["x-queue-mode"] = "lazy" }
        };
        await amqp.DeclareAsync(new AmqpTopology().With(queue), Cancelled);
        await PublishAsync(amqp, queue.Name, "1");
        await Assert.ThrowsAsync<AmqpNackedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(queue.Name, []), Cancelled));
    }

    [Fact]
    public async Task A_durable_queue_and_its_persistent_messages_outlive_the_broker_and_a_transient_queue_does_not()
    {
        AmqpClient amqp = await ConnectAsync();
        string durable = NewName(), transient = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().Queue(durable).With(new AmqpQueue { Name = transient, Durable = false }), Cancelled);
        await PublishAsync(amqp, durable, "kept");
        await amqp.PublishAsync(AmqpMessage.ToQueue(durable, Bytes("lost")) with { Persistent = false }, Cancelled);
        await amqp.DisposeAsync(); // so that nothing is declared again
        await Broker.Node.SaveQueuesAsync(Cancelled);
        await Broker.Node.KillAsync(Cancelled);
        await Broker.Node.StartAgainAsync(CancellationToken.None); // those that follow need it too
        Witness witness = await WitnessAsync();
        Assert.False(await witness.ExistsAsync(transient));
        Assert.Equal(1u, await witness.ReadyAsync(durable));
    }
}
