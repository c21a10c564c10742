namespace SafeAmqp.IntegrationTests.Consuming;

[Trait("Broker", "3.10")]
public sealed class ConsumerKindTests(TestBroker broker) : FeatureTest(broker)
{
    [Fact]
    public async Task A_queue_that_is_not_there_cannot_be_consumed_and_nothing_else_suffers()
    {
        AmqpClient amqp = await ConnectAsync();
        string there = await NewQueueAsync(amqp), missing = NewName();
        var inbox = new Inbox();
        await amqp.ConsumeAsync(there, inbox.HandleAsync, cancellationToken: Cancelled);
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(
            async () => await amqp.ConsumeAsync(missing, inbox.HandleAsync, cancellationToken: Cancelled));
        Assert.Equal((404, $"queue '{missing}'"), (error.ReplyCode, error.Entity));
        Assert.Contains(missing, error.Message, StringComparison.Ordinal);
        await PublishAsync(amqp, there, "a");
        Assert.Equal("a", Text(await inbox.NextAsync()));
        Assert.Single(amqp.Status.Links[1].Consumers);
        Assert.Equal(1, amqp.Status.Links[1].Epoch);
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task An_exclusive_consumer_is_the_only_one_until_it_stops(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout), other = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        var exclusive = new AmqpConsumerOptions { Exclusive = true };
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, exclusive, Cancelled);
        foreach (AmqpClient client in (AmqpClient[])[amqp, other])
        {
            var error = await Assert.ThrowsAsync<AmqpTopologyException>(
                async () => await client.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled));
            Assert.Equal((403, $"queue '{queue}'"), (error.ReplyCode, error.Entity));
        }
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
        await subscription.DisposeAsync();
        await other.ConsumeAsync(queue, inbox.HandleAsync, exclusive, Cancelled);
        await PublishAsync(amqp, queue, "b");
        Assert.Equal("b", Text(await inbox.NextAsync()));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_consumer_tag_is_the_clients_only_one_shown_and_kept_over_recoveries(AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options => options.Uri = relay.Uri);
        AmqpClient other = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp), second = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        var tagged = new AmqpConsumerOptions { ConsumerTag = "orders-1" };
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, tagged, Cancelled);
        var error = await Assert.ThrowsAsync<ArgumentException>(
            async () => await amqp.ConsumeAsync(second, inbox.HandleAsync, tagged, Cancelled));
        Assert.Contains("orders-1", error.Message, StringComparison.Ordinal);
        await other.ConsumeAsync(queue, inbox.HandleAsync, tagged, Cancelled); // another connection's
        await amqp.ConsumeAsync(second, inbox.HandleAsync, cancellationToken: Cancelled);
        AmqpConsumerStatus[] Consumers() => [.. amqp.Status.Links[^1].Consumers.OrderBy(one => one.Queue == second)];
        Assert.Equal("orders-1", Consumers()[0].ConsumerTag);
        Assert.StartsWith("safeamqp-", Consumers()[1].ConsumerTag, StringComparison.Ordinal);
        int epoch = amqp.Status.Links[^1].Epoch;
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links[^1].Epoch > epoch
            && Array.TrueForAll(Consumers(), one => one.State == AmqpConsumerState.Live));
        Assert.Equal("orders-1", Consumers()[0].ConsumerTag);
        await PublishAsync(amqp, second, "a");
        await inbox.NextAsync();

        await subscription.DisposeAsync();
        await Assert.ThrowsAsync<AmqpTopologyException>(async () => await amqp.ConsumeAsync(NewName(),
            inbox.HandleAsync, tagged, Cancelled)); // refused: the tag is free again
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, tagged, Cancelled);
    }

    [Fact]
    public async Task An_exclusive_consumer_comes_back_after_a_lost_link()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Exclusive = true }, Cancelled);
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links[1].Epoch > 1 && subscription.State == AmqpConsumerState.Live);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
    }

    [Fact]
    public async Task A_consumer_of_higher_priority_is_served_first()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var low = new Inbox();
        var high = new Inbox();
        await amqp.ConsumeAsync(queue, low.HandleAsync, new AmqpConsumerOptions { Priority = 1 }, Cancelled);
        await PublishAsync(amqp, queue, "no higher one is there");
        await low.NextAsync();
        AmqpSubscription higher = await amqp.ConsumeAsync(
            queue, high.HandleAsync, new AmqpConsumerOptions { Priority = 10, Prefetch = 1000 }, Cancelled);
        await PublishAsync(amqp, queue, Numbers(50));
        await high.NextAsync(50);
        Assert.Single(low.All);
        await higher.DisposeAsync();
        await PublishAsync(amqp, queue, "again");
        Assert.Equal("again", Text((await low.NextAsync(1))[0]));
    }

    [Fact]
    public async Task Of_a_queue_with_a_single_active_consumer_one_receives_and_the_next_takes_over()
    {
        AmqpClient first = await ConnectAsync(), second = await ConnectAsync();
        string queue = NewName();
        await first.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, SingleActiveConsumer = true }), Cancelled);
        var active = new Inbox();
        var waiting = new Inbox();
        AmqpSubscription subscription = await first.ConsumeAsync(
            queue, active.HandleAsync, cancellationToken: Cancelled);
        await second.ConsumeAsync(queue, waiting.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(first, queue, Numbers(20));
        Assert.Equal(Numbers(20), (await active.NextAsync(20)).Select(Text));
        Assert.Empty(waiting.All);
        await subscription.DisposeAsync();
        await PublishAsync(first, queue, Numbers(20));
        Assert.Equal(Numbers(20), (await waiting.NextAsync(20)).Select(Text));
        Assert.Equal(20, active.All.Count);
    }

    [Theory, InlineData("first", 0), InlineData("6", 6), InlineData("last", 0)]
    public async Task A_stream_is_read_from_an_offset_again_and_again(string offset, int firstNumber)
    {
        AmqpClient amqp = await ConnectAsync();
        string stream = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = stream, Type = AmqpQueueType.Stream }), Cancelled);
        await PublishAsync(amqp, stream, Numbers(20));
        object from = offset == "6" ? 6L : offset;
        for (int reader = 0; reader < 2; reader++)
        {
            var inbox = new Inbox();
            await using AmqpSubscription subscription = await amqp.ConsumeAsync(stream, inbox.HandleAsync,
                new AmqpConsumerOptions
                {
                    Prefetch = 10,
                    Arguments = new Dictionary<string, object?> { ["x-stream-offset"] = from }
                },
                Cancelled);
            if (offset == "last") // the last chunk, whatever the broker put into it
            {
                AmqpDelivery delivery = await inbox.NextAsync();
                while (Text(delivery) != "19")
                    delivery = await inbox.NextAsync();
                continue;
            }
            // more than the prefetch: acknowledging is the stream's credit
            IReadOnlyList<AmqpDelivery> all = await inbox.NextAsync(20 - firstNumber);
            Assert.Equal(Numbers(20)[firstNumber..], all.Select(Text));
            Assert.Equal(firstNumber, Convert.ToInt32(
                all[0].Message.Headers!["x-stream-offset"], System.Globalization.CultureInfo.InvariantCulture));
        }
    }

    [Theory]
    [InlineData(nameof(AmqpConsumerOptions.Prefetch))]
    [InlineData(nameof(AmqpConsumerOptions.Concurrency))]
    [InlineData(nameof(AmqpConsumerOptions.StopTimeout))]
    [InlineData(nameof(AmqpConsumerOptions.OnFailure))]
    [InlineData(nameof(AmqpConsumerOptions.Arguments))]
    public async Task An_option_that_is_not_valid_is_named_before_anything_happens(string option)
    {
        AmqpClient amqp = NewClient(options => options.Uri = "amqp://guest:guest@127.0.0.1:1/");
        AmqpConsumerOptions options = option switch
        {
            nameof(AmqpConsumerOptions.Prefetch) => new() { Prefetch = 0 },
            nameof(AmqpConsumerOptions.Concurrency) => new() { Concurrency = 1025 },
            nameof(AmqpConsumerOptions.StopTimeout) => new() { StopTimeout = TimeSpan.FromSeconds(-1) },
            nameof(AmqpConsumerOptions.OnFailure) => new() { OnFailure = null! },
            _ => new() { Arguments = new Dictionary<string, object?> { ["x"] = new object() } },
        };
        var error = await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await amqp.ConsumeAsync("queue", new Inbox().HandleAsync, options, Cancelled));
        Assert.Contains(option, error.Message, StringComparison.Ordinal);
        Assert.Equal(AmqpLinkState.Idle, amqp.Status.Links[0].State);
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await amqp.ConsumeAsync(
            new string('q', 256), new Inbox().HandleAsync, cancellationToken: Cancelled));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await amqp.ConsumeAsync("", new Inbox().HandleAsync, cancellationToken: Cancelled));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await amqp.ConsumeAsync("queue", null!, cancellationToken: Cancelled));
    }
}
