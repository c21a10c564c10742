using System.Collections.Concurrent;
using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Topology;

/// <summary>What goes at the broker by itself is not declared again by a recovery.</summary>
[Trait("Broker", "3.10")]
public sealed class ForgettingTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, InlineData(false), InlineData(true)]
    public async Task An_auto_delete_queue_whose_consumers_are_done_is_not_resurrected(bool exclusive)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = NewName(), exchange = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .With(new AmqpExchange { Name = exchange, AutoDelete = true, Type = AmqpExchangeType.Fanout })
            .With(new AmqpQueue { Name = queue, AutoDelete = true, Exclusive = exclusive })
            .Bind(exchange).ToQueue(queue), Cancelled);
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, new Inbox().HandleAsync, cancellationToken: Cancelled);
        await subscription.DisposeAsync();
        await UntilAsync(() => witness.ExistsAsync(queue), exists => !exists);
        await CutAsync(relay, amqp);
        Assert.False(await witness.ExistsAsync(queue));
        Assert.False(await ExchangeExistsAsync(witness, exchange));
    }

    [Fact]
    public async Task An_auto_delete_queue_is_declared_again_by_the_next_consumer_of_it()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName(), exchange = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .With(new AmqpExchange { Name = exchange, AutoDelete = true, Type = AmqpExchangeType.Fanout })
            .With(new AmqpQueue { Name = queue, AutoDelete = true }).Bind(exchange).ToQueue(queue), Cancelled);
        for (int round = 0; round < 3; round++)
        {
            var inbox = new Inbox();
            await using AmqpSubscription subscription = await InTime(
                amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled));
            await InTime(amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "", Bytes("a")), Cancelled));
            await inbox.NextAsync();
        }
    }

    [Fact]
    public async Task Of_several_consumers_the_last_one_counts()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, AutoDelete = true }), Cancelled);
        var inbox = new Inbox();
        AmqpSubscription first = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await first.DisposeAsync();
        await CutAsync(relay, amqp);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
    }

    [Fact]
    public async Task A_queue_that_expires_is_forgotten_after_that_time_without_use()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = NewName(), used = NewName();
        var expires = TimeSpan.FromMilliseconds(600);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Expires = expires })
            .With(new AmqpQueue { Name = used, Expires = expires }), Cancelled);
        var declared = Stopwatch.StartNew();
        await amqp.ConsumeAsync(used, new Inbox().HandleAsync, cancellationToken: Cancelled);
        // Not by a declaration, which would be a use
        await UntilAsync(() => Broker.Node.MessagesInAsync(queue, Cancelled), messages => messages == -1);
        // The client counts from when it had the broker's answer, which may be a little later
        await UntilAsync(() => declared.Elapsed > expires);
        await CutAsync(relay, amqp);
        Assert.False(await witness.ExistsAsync(queue));
        Assert.True(await witness.ExistsAsync(used));
    }

    [Theory, InlineData("got from"), InlineData("counted")]
    public async Task A_queue_that_expires_is_kept_while_it_is_used_by_hand(string how)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = queue,
            Expires = TimeSpan.FromSeconds(2),
        }), Cancelled);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < TimeSpan.FromSeconds(2.5)) // the broker keeps it while it is used
        {
            if (how == "counted")
                await amqp.Admin.CountAsync(queue, Cancelled);
            else
                await amqp.Admin.GetAsync(queue, Cancelled);
            await Task.Delay(100, Cancelled);
        }
        await witness.Channel.QueueDeleteAsync(queue, ifUnused: false, ifEmpty: false, cancellationToken: Cancelled);
        await CutAsync(relay, amqp);
        Assert.True(await witness.ExistsAsync(queue));
    }

    [Fact]
    public async Task What_was_deleted_is_gone_and_not_declared_again()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = NewName(), exclusive = NewName(), kept = NewName(), exchange = NewName(), auto = NewName();
        AmqpTopology topology = new AmqpTopology().Exchange(exchange, AmqpExchangeType.Direct)
            .With(new AmqpExchange { Name = auto, Type = AmqpExchangeType.Fanout, AutoDelete = true })
            .Queue(queue).Queue(kept).With(new AmqpQueue { Name = exclusive, Exclusive = true })
            .Bind(exchange, "kept").ToQueue(kept).Bind(exchange, "gone").ToQueue(kept).Bind(auto).ToQueue(queue);
        await amqp.DeclareAsync(topology, Cancelled);
        await PublishAsync(amqp, queue, "lost with its queue");
        AmqpTopology gone = new AmqpTopology().Queue(queue).With(new AmqpQueue { Name = exclusive, Exclusive = true })
            .Bind(exchange, "gone").ToQueue(kept).With(new AmqpQueue { Name = kept, Passive = true });
        await amqp.DeleteAsync(gone, Cancelled);
        await amqp.DeleteAsync(gone, Cancelled); // what is not there is left alone
        for (int round = 0; round < 2; round++)
        {
            Assert.False(await witness.ExistsAsync(queue));
            Assert.False(await witness.ExistsAsync(exclusive));
            Assert.True(await witness.ExistsAsync(kept));
            Assert.False(await ExchangeExistsAsync(await WitnessAsync(), auto));
            await InTime(amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "kept", []), Cancelled));
            await Assert.ThrowsAsync<AmqpReturnedException>(
                () => InTime(amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "gone", []), Cancelled)));
            if (round == 0)
                await CutAsync(relay, amqp);
        }
    }

    [Fact]
    public Task Ten_thousand_short_lived_consumers_leave_nothing_to_recover() => LeaveNothingAsync(
        Broker.IsEmbedded ? 10_000 : 1_000, // RabbitMQ takes its time over each
        TimeSpan.FromSeconds(3)); // 0.1 s on a machine that does nothing else

    [Fact]
    [Trait("Runs", "ByHand")] // takes minutes on RabbitMQ, and is measured on a machine that does nothing else
    public Task Ten_thousand_short_lived_consumers_on_any_broker_are_recovered_from_within_a_second()
        => LeaveNothingAsync(10_000, TimeSpan.FromSeconds(1));

    private async Task LeaveNothingAsync(int sessions, TimeSpan limit)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string prefix = NewName();
        var held = new ConcurrentBag<WeakReference>();
        await SessionsAsync(amqp, prefix, sessions, held);
        await UntilAsync(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return held.All(handler => !handler.IsAlive);
        }, "nothing of the sessions is held any more");
        int before = relay.Methods.Count;
        var watch = Stopwatch.StartNew();
        await CutAsync(relay, amqp);
        TimeSpan recovery = watch.Elapsed;
        Assert.InRange(relay.Methods.Count - before, 10, 100); // two connections, and nothing declared on them
        Witness witness = await WitnessAsync();
        for (int i = 0; i < sessions; i += 100)
            Assert.False(await witness.ExistsAsync($"{prefix}.{i}"));
        TestContext.Current.TestOutputHelper?.WriteLine($"recovery {recovery}");
        Assert.InRange(recovery, TimeSpan.Zero, limit);
    }

    private static async Task SessionsAsync(
        AmqpClient amqp, string prefix, int count, ConcurrentBag<WeakReference> held)
        => await Parallel.ForAsync(
            0, count, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Cancelled },
            async (i, stop) =>
        {
            string queue = $"{prefix}.{i}";
            await amqp.DeclareAsync(new AmqpTopology()
                .With(new AmqpQueue { Name = queue, AutoDelete = true, Exclusive = i % 2 == 0 }), stop);
            byte[] state = new byte[1024];
            held.Add(new WeakReference(state));
            AmqpSubscription subscription = await amqp.ConsumeAsync(queue,
                (_, _) => new(state.Length > 0 ? AmqpSettlement.Ack : AmqpSettlement.Reject), cancellationToken: stop);
            await subscription.DisposeAsync();
        });

    private static async Task CutAsync(FrameRelay relay, AmqpClient amqp)
    {
        int[] epochs = [.. amqp.Status.Links.Select(link => link.Epoch)];
        relay.Cut();
        await UntilAsync(() => amqp.Status.IsReady
            && amqp.Status.Links.Zip(epochs).All(pair => pair.First.Epoch > pair.Second));
    }

    private static async Task<bool> ExchangeExistsAsync(Witness witness, string exchange)
    {
        try
        {
            await witness.Channel.ExchangeDeclarePassiveAsync(exchange, CancellationToken.None);
            return true;
        }
        catch (RabbitMQ.Client.Exceptions.OperationInterruptedException error)
            when (error.ShutdownReason?.ReplyCode == 404)
        {
            return false;
        }
    }
}
