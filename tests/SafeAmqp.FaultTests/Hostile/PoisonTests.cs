using static SafeAmqp.FaultTests.Support.ScriptedBroker;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.FaultTests.Hostile;

// The broker gives a message that was not settled again: one that ends the link would end it for ever.
public sealed class PoisonTests : FaultCase
{
    // A header larger than any frame may be, as with a long list of deaths.
    private static readonly byte[] Poison = [2, 0, 1, 0x00, 0x7F, 0xFF, 0xFF];

    private const string Reason = "a frame of 8388607 + 8 bytes";

    [Fact]
    public async Task A_message_that_ends_the_link_twice_stops_its_consumer_and_the_others_go_on()
    {
        var broker = Own(new ScriptedBroker());
        (ScriptedBroker.Peer Peer, ushort Channel)? first = null;
        broker.OnConsume = (peer, channel, queue) =>
        {
            if (queue != "poisoned")
                return Delivery(channel, 1, Header(1, 0), [1]);
            if (first is not null)
                return Delivery(channel, 1, Poison);
            first = (peer, channel);
            return null;
        };
        var log = new Lines();
        AmqpClient client = NewClient(broker.Uri, options => options.LoggerFactory = log);
        int handled = 0, healthy = 0;
        await client.ConsumeAsync("healthy", (_, _) =>
        {
            Interlocked.Increment(ref healthy);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        await using AmqpSubscription poisoned = await client.ConsumeAsync("poisoned", (_, _) =>
        {
            Interlocked.Increment(ref handled);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        await first!.Value.Peer.SendAsync(Delivery(first.Value.Channel, 1, Poison));
        await UntilAsync(() => poisoned.Error is not null);
        await UntilAsync(
            () => client.Status.Links[1] is { State: AmqpLinkState.Open, Epoch: 3 } && Volatile.Read(ref healthy) >= 2);

        Assert.Equal(AmqpConsumerState.Stopped, poisoned.State);
        var error = Assert.IsType<AmqpPoisonException>(poisoned.Error);
        Assert.Equal("poisoned", error.Queue);
        Assert.Contains(Reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(Reason, poisoned.LastError, StringComparison.Ordinal);
        Assert.Equal(0, handled);
        // Twice, and not a third time: the link stands.
        Assert.Equal(2, broker.Consumers.Count(consumer => consumer.Queue == "poisoned"));
        Assert.Equal(3, client.Status.Links[1].Epoch);
        Assert.Contains(
            log.All,
            line => line.Contains("stopped its consumer of queue 'poisoned' for good", StringComparison.Ordinal));
        AmqpConsumerStatus shown = client.Status.Links[1].Consumers.Single(consumer => consumer.Queue == "poisoned");
        Assert.Equal(AmqpConsumerState.Stopped, shown.State);
        Assert.Contains("poisoned", client.Status.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, client.Status.Links[0].Epoch); // publishing never noticed
        await poisoned.DisposeAsync();
        // its holder has seen it
        Assert.DoesNotContain(client.Status.Links[1].Consumers, consumer => consumer.Queue == "poisoned");
    }

    [Fact]
    public async Task A_consumer_whose_first_message_it_is_does_not_start_and_its_caller_is_told()
    {
        var broker = Own(new ScriptedBroker());
        broker.OnConsume = (_, channel, _) => Delivery(channel, 1, Poison);
        AmqpClient client = NewClient(broker.Uri);
        Exception? error = null;
        try
        {
            // Whether consume-ok was read before the message behind it came is a matter of how the bytes came.
            await using AmqpSubscription consumer = await client.ConsumeAsync(
                "poisoned", (_, _) => ValueTask.FromResult(AmqpSettlement.Ack), cancellationToken: Cancelled);
            await UntilAsync(() => consumer.Error is not null);
            error = consumer.Error;
        }
        catch (AmqpPoisonException thrown)
        {
            error = thrown;
        }
        Assert.Contains(Reason, Assert.IsType<AmqpPoisonException>(error).Message, StringComparison.Ordinal);
        Assert.Equal(2, broker.Consumers.Count);
        Assert.Empty(client.Status.Links[1].Consumers);
    }

    [Fact]
    public async Task A_sequence_ends_with_the_reason()
    {
        var broker = Own(new ScriptedBroker());
        broker.OnConsume = (_, channel, _) => [
            .. Delivery(channel, 1, Header(1, 0), [1]), .. Delivery(channel, 2, Poison)];
        AmqpClient client = NewClient(broker.Uri);
        var error = await Assert.ThrowsAsync<AmqpPoisonException>(async () =>
        {
            await foreach (AmqpDelivery delivery in client.ReadAllAsync("poisoned", cancellationToken: Cancelled)
                .WithCancellation(Cancelled))
                Assert.Equal(1, delivery.Body.Length);
        });
        Assert.Equal("poisoned", error.Queue);
        Assert.Equal(2, broker.Consumers.Count);
    }

    [Fact]
    public async Task What_a_smaller_limit_refuses_on_a_broker_stays_in_its_queue_and_another_may_take_it()
    {
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient large = NewClient(broker.Uri.ToString()),
            small = NewClient(broker.Uri.ToString(), options => options.MaxMessageSize = 1024);
        await large.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        await large.PublishAsync(AmqpMessage.ToQueue("q", new byte[1000]), Cancelled);
        await large.PublishAsync(AmqpMessage.ToQueue("q", new byte[1025]), Cancelled);
        await large.PublishAsync(AmqpMessage.ToQueue("q", new byte[1024]), Cancelled);
        var sizes = new System.Collections.Concurrent.ConcurrentBag<int>();
        AmqpSubscription stopped = await small.ConsumeAsync("q", (delivery, _) =>
        {
            sizes.Add(delivery.Body.Length);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { Prefetch = 1 }, Cancelled);
        await UntilAsync(() => stopped.Error is not null);
        Assert.Equal([1000], sizes);
        Assert.Contains("1025 bytes, and MaxMessageSize is 1024", stopped.Error!.Message, StringComparison.Ordinal);
        Assert.All(small.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
        await broker.WaitUntilAsync(view => view.ReadyCount("q") == 2, cancellationToken: Cancelled);
        await large.ConsumeAsync("q", (delivery, _) =>
        {
            sizes.Add(delivery.Body.Length);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        await UntilAsync(() => sizes.Count == 3);
        Assert.Equal([1000, 1024, 1025], sizes.Order());
    }

    [Fact]
    public async Task Calls_over_a_fixed_reply_queue_that_holds_such_a_message_are_not_sent_and_say_why()
    {
        var broker = Own(new ScriptedBroker());
        broker.OnConsume = (_, channel, queue) => queue == "replies" ? Delivery(channel, 1, Poison) : null;
        AmqpClient client = NewClient(broker.Uri);
        var options = new AmqpCallOptions
        {
            ReplyTo = AmqpReplyAddress.Queue("replies"),
            Timeout = TimeSpan.FromSeconds(2)
        };
        Exception? end = null;
        for (int i = 0; i < 20 && end is not AmqpNotSentException { InnerException: AmqpPoisonException }; i++)
            end = await EndOf(
                new ValueTask(client.CallAsync(AmqpMessage.ToQueue("server", []), options, Cancelled).AsTask()));
        Assert.IsType<AmqpPoisonException>(Assert.IsType<AmqpNotSentException>(end).InnerException);
    }
}
