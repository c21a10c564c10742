namespace SafeAmqp.IntegrationTests.Consuming;

/// <summary>A stream takes nothing back, and is read on from where its consumer was.</summary>
[Trait("Broker", "3.10")]
public sealed class StreamTests(TestBroker broker) : FeatureTest(broker)
{
    private static AmqpConsumerOptions From(object offset, int prefetch = 10, int concurrency = 1,
        AmqpFailurePolicy? onFailure = null) => onFailure is null
        ? new() { Prefetch = prefetch, Concurrency = concurrency, Arguments = Offset(offset) }
        : new() { Prefetch = prefetch, Concurrency = concurrency, Arguments = Offset(offset), OnFailure = onFailure };

    private static Dictionary<string, object?> Offset(object offset) => new() { ["x-stream-offset"] = offset };

    [Fact]
    public async Task A_loop_over_a_stream_may_be_left()
    {
        AmqpClient amqp = await ConnectAsync();
        string stream = await NewStreamAsync(amqp);
        var other = new Inbox();
        string queue = await NewQueueAsync(amqp);
        await amqp.ConsumeAsync(queue, other.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, stream, Numbers(20));
        await foreach (AmqpDelivery _ in amqp.ReadAllAsync(stream, From("first"), Cancelled))
            break;
        await PublishAsync(amqp, queue, "a");
        Assert.False((await other.NextAsync()).IsRedelivered);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData("throws"), InlineData("returns Requeue")]
    public async Task A_delivery_of_a_stream_made_elsewhere_that_is_not_done_is_handled_again(string how)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string stream = NewName();
        await witness.QueueAsync(stream, new Dictionary<string, object?> { ["x-queue-type"] = "stream" });
        await PublishAsync(amqp, stream, Numbers(20));
        int fails = 3;
        var inbox = new Inbox((delivery, _) =>
        {
            if (Text(delivery) != "7" || Interlocked.Decrement(ref fails) < 0)
                return ValueTask.FromResult(AmqpSettlement.Ack);
            return how == "throws" ? throw new InvalidOperationException("three times")
                : ValueTask.FromResult(AmqpSettlement.Requeue);
        });
        var soon = TimeSpan.FromMilliseconds(20);
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(stream, inbox.HandleAsync,
            From("first", onFailure: AmqpFailurePolicy.Hold(soon, soon, soon)), Cancelled);
        await inbox.NextAsync(23);
        Assert.Equal(4, inbox.All.Count(delivery => Text(delivery) == "7"));
        Assert.Equal(Numbers(20).Order(), inbox.All.Select(Text).Distinct().Order());
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData("Reject"), InlineData("Retry")]
    public async Task A_stream_passes_over_what_was_given_up_and_gets_no_copy_of_it(string policy)
    {
        AmqpClient amqp = await ConnectAsync();
        string stream = await NewStreamAsync(amqp);
        await PublishAsync(amqp, stream, Numbers(20));
        var inbox = new Inbox((delivery, _) => Text(delivery) == "7"
            ? throw new InvalidOperationException("always") : ValueTask.FromResult(AmqpSettlement.Ack));
        AmqpFailurePolicy onFailure = policy == "Reject" ? AmqpFailurePolicy.Reject
            : AmqpFailurePolicy.Retry(2, TimeSpan.FromMilliseconds(50));
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(stream, inbox.HandleAsync, From("first", onFailure: onFailure), Cancelled);
        await UntilAsync(() => inbox.All.Count >= (policy == "Reject" ? 20 : 22)
            && amqp.Status.Links[1].Consumers is [{ Unsettled: 0 }]);
        Assert.Equal(policy == "Reject" ? 1 : 3, inbox.All.Count(delivery => Text(delivery) == "7"));
        await PublishAsync(amqp, stream, "end");
        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "end"));
        Assert.Equal(policy == "Reject" ? 21 : 23, inbox.All.Count);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData("first"), InlineData("next"), InlineData("last"), InlineData("3")]
    public async Task After_a_lost_link_a_stream_is_read_on_behind_what_was_settled(string offset)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri), publisher = await ConnectAsync();
        string stream = await NewStreamAsync(amqp);
        if (offset is not "next")
            await PublishAsync(publisher, stream, Numbers(10));
        var inbox = new Inbox();
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(stream, inbox.HandleAsync,
            From(offset is "3" ? 3L : offset), Cancelled);
        if (offset is "next")
            await PublishAsync(publisher, stream, Numbers(10));
        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "9")
            && amqp.Status.Links[1].Consumers is [{ Unsettled: 0 }]);
        int before = inbox.All.Count;
        relay.Refuse();
        relay.Cut();
        await PublishAsync(publisher, stream, "10", "11", "12");
        relay.Accept();
        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "12"));
        Assert.Equal(["10", "11", "12"], inbox.All.Skip(before).Select(Text));
    }

    [Fact]
    public async Task What_was_not_settled_is_never_skipped_though_later_ones_were()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string stream = await NewStreamAsync(amqp);
        await PublishAsync(amqp, stream, Numbers(20));
        var stuck = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (delivery, lost) =>
        {
            if (Text(delivery) == "5" && !stuck.Task.IsCompleted)
                await Task.Delay(Timeout.Infinite, lost);
            return AmqpSettlement.Ack;
        });
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(stream, inbox.HandleAsync, From("first", 20, 4), Cancelled);
        await UntilAsync(() => inbox.All.Count == 20 && amqp.Status.Links[1].Consumers is [{ Unsettled: 1 }]);
        stuck.SetResult();
        relay.Cut();
        await UntilAsync(() => inbox.All.Count(delivery => Text(delivery) == "19") == 2);
        await UntilAsync(() => amqp.Status.Links[1].Consumers is [{ Unsettled: 0 }]);
        Assert.Equal(Numbers(20)[5..].Order(), inbox.All.Skip(20).Select(Text).Order());
    }

    [Fact]
    public async Task An_offset_is_an_option_and_readable_and_nothing_is_returned_by_hand()
    {
        AmqpClient amqp = await ConnectAsync();
        string stream = await NewStreamAsync(amqp);
        await PublishAsync(amqp, stream, Numbers(10));
        DateTimeOffset later = DateTimeOffset.UtcNow.AddHours(1);
        foreach ((AmqpStreamOffset offset, int? from) in ((AmqpStreamOffset, int?)[])[(AmqpStreamOffset.First, 0),
            (AmqpStreamOffset.At(4), 4), (AmqpStreamOffset.At(DateTimeOffset.UnixEpoch), 0),
            (AmqpStreamOffset.At(later), null),
            (AmqpStreamOffset.Next, null)])
        {
            var inbox = new Inbox();
            await using AmqpSubscription subscription = await amqp.ConsumeAsync(stream, inbox.HandleAsync,
                new AmqpConsumerOptions { StreamOffset = offset }, Cancelled);
            string end = Guid.NewGuid().ToString();
            await PublishAsync(amqp, stream, end);
            await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == end));
            Assert.Equal(from, Text(inbox.All[0]) == end ? null : (int?)inbox.All[0].StreamOffset);
        }
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(stream,
            new AmqpConsumerOptions { StreamOffset = AmqpStreamOffset.First }, Cancelled))
        {
            Assert.Throws<InvalidOperationException>(() => delivery.Settle(AmqpSettlement.Requeue));
            Assert.Equal(AmqpSettleResult.Settled, delivery.Settle(AmqpSettlement.Reject));
            if (delivery.StreamOffset == 3)
                break;
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_filter_lets_through_what_was_asked_for_and_nothing_else(bool matchUnfiltered)
    {
        AmqpClient amqp = await ConnectAsync();
        string stream = await NewStreamAsync(amqp);
        for (int i = 0; i < 30; i++)
        {
            var message = AmqpMessage.ToQueue(stream, Bytes($"{i}"));
            await amqp.PublishAsync((i % 3) switch
            {
                0 => message.WithStreamFilterValue("a"),
                1 => message.WithStreamFilterValue("b"),
                _ => message,
            }, Cancelled);
        }
        var inbox = new Inbox();
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(
            stream, inbox.HandleAsync, new AmqpConsumerOptions
            {
                Prefetch = 5,
                StreamOffset = AmqpStreamOffset.First,
                StreamFilter = ["b"],
                StreamMatchUnfiltered = matchUnfiltered,
            }, Cancelled);
        string[] wanted = [.. Numbers(30).Where((_, i) => i % 3 == 1 || (matchUnfiltered && i % 3 == 2))];
        Assert.Equal(wanted, (await inbox.NextAsync(wanted.Length)).Select(Text));
    }

    [Fact]
    public async Task A_header_of_a_stream_on_a_message_of_another_queue_makes_no_stream_of_it()
    {
        AmqpClient amqp = await ConnectAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp);
        Witness witness = await WitnessAsync();
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("passed on")) with
        {
            Headers = new Dictionary<string, object?> { ["x-stream-offset"] = 5L },
        }, Cancelled);
        await amqp.ConsumeAsync(queue, new Inbox(AmqpSettlement.Reject).HandleAsync, cancellationToken: Cancelled);
        await UntilReadyAsync(witness, dead, 1);
    }

    // It may be a stream, and a broker takes an offset for a stream only.
    [Fact]
    public async Task A_header_of_a_stream_harms_no_consumer_of_a_queue_that_was_made_elsewhere()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri), publisher = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await witness.QueueAsync(NewName());
        foreach (string number in Numbers(5))
            await publisher.PublishAsync(PassedOn(queue, number), Cancelled);
        var inbox = new Inbox();
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await inbox.NextAsync(5);
        await UntilAsync(() => amqp.Status.Links[1].Consumers is [{ Unsettled: 0 }]);
        relay.Cut();
        await UntilAsync(() => amqp.Status.IsReady && subscription.State == AmqpConsumerState.Live
            && amqp.Status.Links[1].Epoch > 1);
        await publisher.PublishAsync(PassedOn(queue, "5"), Cancelled);
        // Those whose acknowledgement was cut off come again before it
        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "5"));
    }

    [Theory, InlineData(AmqpSettlement.Reject), InlineData(null)]
    public async Task What_was_passed_on_from_a_stream_is_dead_lettered_like_any_other(AmqpSettlement? end)
    {
        // What is not known for a queue of its own is not rejected where that may cost the connection
        bool isOld = !Broker.IsEmbedded && Broker.RabbitMq.Version.Major < 4;
        Assert.SkipWhen(end is not null && isOld, "RabbitMQ 3 closes the connection over it.");
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = NewName(), dead = Named($"{queue}.dead");
        await witness.QueueAsync(queue, new Dictionary<string, object?>
        {
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = dead,
        });
        await witness.QueueAsync(dead);
        foreach (string number in Numbers(5))
            await amqp.PublishAsync(PassedOn(queue, number), Cancelled);
        var inbox = new Inbox((_, _) => end is { } settlement ? new(settlement)
            : throw new InvalidOperationException("always"));
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(5)) }, Cancelled);
        await UntilReadyAsync(witness, dead, 5);
    }

    private static AmqpMessage PassedOn(string queue, string body) => AmqpMessage.ToQueue(queue, Bytes(body)) with
    {
        Headers = new Dictionary<string, object?> { ["x-stream-offset"] = 100L + body[0] },
    };

    [Fact]
    public async Task What_a_stream_cannot_do_is_refused_and_costs_no_connection()
    {
        AmqpClient amqp = await ConnectAsync();
        string typed = await NewStreamAsync(amqp), named = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = named,
            Arguments = new Dictionary<string, object?> { ["x-queue-type"] = "stream" },
        }), Cancelled);
        foreach (string stream in (string[])[typed, named])
        {
            await Assert.ThrowsAsync<ArgumentException>(() => amqp.Admin.GetAsync(stream, Cancelled));
            await Assert.ThrowsAsync<ArgumentException>(() => amqp.Admin.PurgeAsync(stream, Cancelled));
            await amqp.Admin.CountAsync(stream, Cancelled);
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [OnlyRabbitMq("The embedded broker's virtual hosts have no type for queues.")]
    [Fact]
    public async Task A_queue_that_its_virtual_host_makes_a_stream_is_read_on_like_one()
    {
        const string Host = "streams";
        await Broker.RabbitMq.EvaluateAsync(
            $"rabbit_vhost:add(<<\"{Host}\">>, #{{default_queue_type => <<\"stream\">>}}, <<\"test\">>), "
            + $"rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, <<\"{Host}\">>, <<\".*\">>, "
            + $"<<\".*\">>, <<\".*\">>, <<\"test\">>), []", Cancelled);
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.VirtualHost) = (relay.Uri, Host));
        AmqpClient publisher = await ConnectAsync(options => options.VirtualHost = Host);
        string stream = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Queue(stream), Cancelled);
        await PublishAsync(publisher, stream, Numbers(10));
        var inbox = new Inbox((delivery, _) => new(Text(delivery) == "3" ? AmqpSettlement.Reject : AmqpSettlement.Ack));
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(
            stream, inbox.HandleAsync, From("first"), Cancelled);
        await inbox.NextAsync(10);
        await UntilAsync(() => amqp.Status.Links[1].Consumers is [{ Unsettled: 0 }]);
        relay.Cut();
        await PublishAsync(publisher, stream, "10");
        Assert.Equal("10", Text(await inbox.NextAsync()));
        Assert.Equal(10, inbox.All[^1].StreamOffset);
    }

    [Fact]
    public async Task A_stream_that_was_deleted_and_made_again_is_read_from_its_beginning()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string stream = await NewStreamAsync(amqp);
        await PublishAsync(amqp, stream, Numbers(10));
        var inbox = new Inbox();
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(stream, inbox.HandleAsync, From("first"), Cancelled);
        await inbox.NextAsync(10);
        await witness.Channel.QueueDeleteAsync(stream, ifUnused: false, ifEmpty: false, cancellationToken: Cancelled);
        await UntilAsync(() => witness.ExistsAsync(stream), exists => exists); // its consumer puts it back
        // RabbitMQ may end a connection over a stream that has just been made (541)
        AmqpClient publisher = await ConnectAsync();
        var message = AmqpMessage.ToQueue(stream, "new"u8.ToArray());
        await UntilAsync(
            async () => (await publisher.PublishAllAsync([message], Cancelled))[0].Outcome,
            outcome => outcome == AmqpOutcome.Confirmed);
        Assert.Equal("new", Text(await inbox.NextAsync()));
    }

    [Theory, InlineData("next"), InlineData("last")]
    public async Task Where_nothing_was_settled_the_first_that_came_comes_again(string offset)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri), publisher = await ConnectAsync();
        string stream = await NewStreamAsync(amqp);
        await PublishAsync(publisher, stream, "old");
        int handled = 0;
        var inbox = new Inbox(async (_, lost) =>
        {
            if (Interlocked.Increment(ref handled) == 1)
                await Task.Delay(Timeout.Infinite, lost);
            return AmqpSettlement.Ack;
        });
        await using AmqpSubscription subscription =
            await amqp.ConsumeAsync(stream, inbox.HandleAsync, From(offset), Cancelled);
        if (offset == "next")
            await PublishAsync(publisher, stream, "a");
        string first = Text(await inbox.NextAsync());
        relay.Refuse();
        relay.Cut();
        await PublishAsync(publisher, stream, "b");
        relay.Accept();
        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "b"));
        Assert.Equal([first, "b"], inbox.All.Skip(1).Select(Text));
    }

    private async Task<string> NewStreamAsync(
        AmqpClient amqp, [System.Runtime.CompilerServices.CallerMemberName] string test = "")
    {
        string stream = NewName(test);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = stream, Type = AmqpQueueType.Stream }),
            Cancelled);
        return stream;
    }
}
