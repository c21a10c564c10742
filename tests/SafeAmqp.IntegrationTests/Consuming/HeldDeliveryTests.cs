using System.Collections.Concurrent;
using System.Globalization;

namespace SafeAmqp.IntegrationTests.Consuming;

// The default failure policy: it neither spins nor loses.
[Trait("Broker", "3.10")]
public sealed class HeldDeliveryTests(TestBroker broker) : FeatureTest(broker)
{
    private static readonly AmqpFailurePolicy Short = AmqpFailurePolicy.Hold(
        TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(40));

    private static readonly AmqpFailurePolicy Long = AmqpFailurePolicy.Hold(TimeSpan.FromMinutes(10));

    public static TheoryData<AmqpQueueType> Types => [AmqpQueueType.Classic, AmqpQueueType.Quorum];

    private static ValueTask<AmqpSettlement> Fail() => throw new InvalidOperationException("broken");

    [Theory, MemberData(nameof(Types))]
    public async Task A_failed_delivery_is_handled_again_in_the_process_and_nothing_is_requeued(AmqpQueueType type)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Type = type }), Cancelled);
        var attempts = new ConcurrentQueue<int>();
        var inbox = new Inbox((delivery, _) =>
        {
            attempts.Enqueue(delivery.PreviousAttempts);
            return delivery.PreviousAttempts < 2 ? Fail() : new(AmqpSettlement.Ack);
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions { OnFailure = Short }, Cancelled);
        await PublishAsync(amqp, queue, "a");

        IReadOnlyList<AmqpDelivery> all = await inbox.NextAsync(3);

        Assert.All(all, delivery => Assert.Same(all[0], delivery));
        Assert.False(all[0].IsRedelivered);
        // The inbox hands a delivery over before its answer is asked for
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Unsettled: 0, Held: 0, Rejected: 0 });
        Assert.Equal([0, 1, 2], attempts);
    }

    [Fact]
    public async Task By_default_the_second_attempt_comes_after_about_a_second()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var times = new ConcurrentQueue<long>();
        var inbox = new Inbox((delivery, _) =>
        {
            times.Enqueue(TimeProvider.System.GetTimestamp());
            return delivery.PreviousAttempts == 0 ? Fail() : new(AmqpSettlement.Ack);
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "a");

        await inbox.NextAsync(2);
        // The inbox hands a delivery over before its answer is asked for
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Unsettled: 0 });

        TimeSpan between = TimeProvider.System.GetElapsedTime(times.First(), times.Last());
        Assert.InRange(between, TimeSpan.FromSeconds(0.79), TimeSpan.FromSeconds(20));
        Assert.Equal(2, times.Count);
    }

    [Theory, MemberData(nameof(Types))]
    public async Task What_failed_for_the_last_time_goes_to_the_queues_own_dead_letter_exchange(AmqpQueueType type)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp, type);
        var inbox = new Inbox((_, _) => Fail());
        var letters = new Inbox();
        await amqp.ConsumeAsync(dead, letters.HandleAsync, cancellationToken: Cancelled);
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions { OnFailure = Short }, Cancelled);
        await PublishAsync(amqp, queue, "a");

        Assert.Equal("a", Text(await letters.NextAsync()));
        Assert.Equal(3, inbox.All.Count);
        Assert.False(await witness.ExistsAsync($"{queue}.dead"));
    }

    [Theory, MemberData(nameof(Types))]
    public async Task What_failed_for_the_last_time_goes_to_the_dead_queue_where_there_is_no_such_exchange(
        AmqpQueueType type)
    {
        using var log = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options => options.LoggerFactory = log);
        Witness witness = await WitnessAsync();
        (string queue, string exchange) = (NewName(), NewName());
        Named($"{queue}.dead");
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Type = type })
            .Exchange(exchange, AmqpExchangeType.Fanout).Bind(exchange).ToQueue(queue), Cancelled);
        var inbox = new Inbox((_, _) => Fail());
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions { OnFailure = Short }, Cancelled);
        await amqp.PublishAsync(new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = "new",
            Body = Bytes("a"),
            MessageId = "m-7",
            Headers = new Dictionary<string, object?> { ["tenant"] = "x" },
        }, Cancelled);

        AmqpConsumerStatus status = await UntilAsync(
            () => Task.FromResult(amqp.Status.Links[1].Consumers.Single()), consumer => consumer.Rejected == 1);

        Assert.Equal(3, inbox.All.Count);
        Assert.Contains($"was moved to queue '{queue}.dead': its handler failed 3 times, at last with "
            + "InvalidOperationException", status.LastRejection, StringComparison.Ordinal);
        Assert.Contains(log.Lines, line => line.StartsWith("Error 306 ", StringComparison.Ordinal)
            && line.Contains("m-7", StringComparison.Ordinal));
        await UntilReadyAsync(witness, $"{queue}.dead", 1);
        await UntilReadyAsync(witness, queue, 0);
        var letters = new Inbox();
        await amqp.ConsumeAsync($"{queue}.dead", letters.HandleAsync, cancellationToken: Cancelled);
        AmqpDelivery dead = await letters.NextAsync();
        Assert.Equal((exchange, "new", "m-7", "x"), (dead.Message.Exchange, dead.Message.RoutingKey,
            dead.Message.MessageId, dead.Message.Headers!["tenant"]));
    }

    [Fact]
    public async Task What_cannot_be_read_goes_to_the_dead_queue_at_once_and_comes_back_by_one_verb()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        Named($"{queue}.dead");
        AmqpSubscription consumer = await amqp.ConsumeJsonAsync<int>(queue, (_, _, _) => new(AmqpSettlement.Ack),
            cancellationToken: Cancelled);
        string[] texts = [.. Numbers(30).Select(number => $"<{number}>")];
        await PublishAsync(amqp, queue, texts);
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single().Rejected == 30);
        await consumer.DisposeAsync();

        Assert.Equal(30, await amqp.Admin.ReturnDeadAsync(queue, Cancelled));

        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        IReadOnlyList<AmqpDelivery> back = await inbox.NextAsync(30);
        Assert.Equal(texts, back.Select(Text));
        Assert.All(back, delivery => Assert.Equal((0, queue), (delivery.PreviousAttempts,
            delivery.Message.RoutingKey)));
        await UntilReadyAsync(witness, $"{queue}.dead", 0);
        Assert.Equal(0, await amqp.Admin.ReturnDeadAsync(queue, Cancelled));
    }

    [Fact]
    public async Task At_most_half_of_the_prefetch_is_held_and_what_is_beyond_waits_in_the_retry_queue()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), retry = Named($"{queue}.retry.600000");
        Named($"{queue}.dead");
        var inbox = new Inbox((delivery, _) => Text(delivery) == "good" ? new(AmqpSettlement.Ack) : Fail());
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = Long, Prefetch = 4 }, Cancelled);

        await PublishAsync(amqp, queue, "a", "b", "c", "d", "e", "good");

        await UntilAsync(() => inbox.All.Any(delivery => Text(delivery) == "good"));
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Unsettled: 2, Held: 2 });
        await UntilReadyAsync(witness, retry, 3);
        Assert.Equal(6, inbox.All.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Without_a_key_others_pass_a_held_delivery_and_with_one_those_of_its_key_wait(int concurrency)
    {
        AmqpClient amqp = await ConnectAsync();
        foreach (bool keyed in (bool[])[false, true])
        {
            string queue = await NewQueueAsync(amqp);
            Named($"{queue}.dead");
            var done = new ConcurrentQueue<string>();
            var inbox = new Inbox((delivery, _) =>
            {
                if (Text(delivery) == "a1" && delivery.PreviousAttempts < 2)
                    return Fail();
                done.Enqueue(Text(delivery));
                return new(AmqpSettlement.Ack);
            });
            await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions
            {
                Concurrency = concurrency,
                OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(300), TimeSpan.FromMilliseconds(300)),
                KeySelector = keyed ? delivery => Text(delivery)[..1] : null,
            }, Cancelled);
            await PublishAsync(amqp, queue, "a1", "a2", "b1", "a3");
            await UntilAsync(() => done.Count == 4);

            if (keyed)
                Assert.Equal(["a1", "a2", "a3"], done.Where(text => text[0] == 'a'));
            else
                Assert.Equal("a1", done.Last());
            Assert.NotEqual("b1", done.Last());
        }
    }

    [Fact]
    public async Task What_stops_while_a_delivery_is_held_gives_it_back_with_those_that_wait_for_its_key()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        Named($"{queue}.dead");
        var inbox = new Inbox((_, _) => Fail());
        AmqpSubscription consumer = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = Long, KeySelector = _ => "one" }, Cancelled);
        await PublishAsync(amqp, queue, "a", "b", "c");
        await inbox.NextAsync();
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Unsettled: 3, Held: 1 });

        await InTime(consumer.DisposeAsync());

        await UntilReadyAsync(witness, queue, 3);
        Assert.Single(inbox.All);
    }

    [Fact]
    public async Task A_lost_link_starts_the_count_anew()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(amqp);
        Named($"{queue}.dead");
        var attempts = new ConcurrentQueue<(bool, int)>();
        var inbox = new Inbox((delivery, _) =>
        {
            attempts.Enqueue((delivery.IsRedelivered, delivery.PreviousAttempts));
            return delivery.IsRedelivered ? new(AmqpSettlement.Ack) : Fail();
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions
        {
            KeySelector = _ => "one",
            OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(20), TimeSpan.FromMinutes(10)),
        }, Cancelled);
        await PublishAsync(amqp, queue, "a", "b");
        await inbox.NextAsync(2);
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Held: 1 });

        relay.Cut();

        Assert.Equal(["a", "b"], (await inbox.NextAsync(2)).Select(Text));
        await UntilAsync(() => attempts.Count == 4); // the inbox hands a delivery over before its answer is asked for
        Assert.Equal([(false, 0), (false, 1), (true, 0), (true, 0)], attempts);
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single().Held == 0);
    }

    [Fact]
    public async Task While_the_dead_queue_takes_nothing_nothing_is_lost_and_the_consumer_says_so()
    {
        using var log = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options => options.LoggerFactory = log);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), dead = Named($"{queue}.dead");
        await witness.QueueAsync(dead, new Dictionary<string, object?>
        {
            ["x-max-length"] = 1,
            ["x-overflow"] = "reject-publish",
        });
        await PublishAsync(amqp, dead, "full");
        var inbox = new Inbox((_, _) => Fail());
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions { OnFailure = Short }, Cancelled);
        await PublishAsync(amqp, queue, "a");

        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { DeadLetterError: not null, Unsettled: 1 });
        await UntilAsync(() => log.Lines.Any(line => line.StartsWith("Warning 307 ", StringComparison.Ordinal)));
        Assert.Equal(1, await amqp.Admin.PurgeAsync(dead, Cancelled));
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single()
            is { DeadLetterError: null, Unsettled: 0, Rejected: 1 });

        await UntilReadyAsync(witness, dead, 1);
        Assert.Equal(3, inbox.All.Count); // only the moving was tried again
    }

    [Theory]
    [InlineData("dead queue", false)]
    [InlineData("dead queue", true)]
    [InlineData("retry queue", false)]
    public async Task While_a_message_cannot_be_moved_its_worker_handles_others_and_stopping_waits_for_the_move(
        string to, bool keyed)
    {
        (AmqpClient amqp, AmqpClient other) = (await ConnectAsync(), await ConnectAsync());
        string queue = await NewQueueAsync(amqp), dead = Named($"{queue}.dead"), retry = Named($"{queue}.retry.60000");
        await PublishAsync(amqp, queue, "bad1", "bad2", "good1", "good2", "good3");
        await Broker.Node.SetMemoryAlarmAsync(true, Cancelled); // holds publishers, but no consumers
        try
        {
            var done = new ConcurrentQueue<string>();
            var inbox = new Inbox((delivery, _) =>
            {
                if (Text(delivery).StartsWith('b'))
                    return Fail();
                done.Enqueue(Text(delivery));
                return new(AmqpSettlement.Ack);
            });
            AmqpSubscription consumer = await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions
            {
                KeySelector = keyed ? delivery => Text(delivery)[..1] : null,
                OnFailure = to == "dead queue" ? AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(1))
                    : AmqpFailurePolicy.Retry(1, TimeSpan.FromMinutes(1)),
            }, Cancelled);

            int failed = keyed ? 1 : 2, runs = to == "dead queue" ? 2 : 1; // behind one that is moved its key waits
            await UntilAsync(() => done.Count == 3 && inbox.All.Count == 3 + (failed * runs));
            Assert.Equal(["good1", "good2", "good3"], done);
            await UntilAsync(() => amqp.Status.Links[1].Consumers.Single().Unsettled == 2);

            Task stop = consumer.StopAsync(Cancelled);
            // What has not begun has gone back, and no consumer is left
            await UntilAsync(() => other.Admin.CountAsync(queue, Cancelled),
                counts => (counts.Messages, counts.Consumers) == (2 - failed, 0));
            Assert.False(stop.IsCompleted);
            await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
            await InTime(stop);

            AmqpQueueCounts moved = await other.Admin.CountAsync(to == "dead queue" ? dead : retry, Cancelled);
            Assert.Equal(failed, moved.Messages);
            Assert.Equal(2 - failed, (await other.Admin.CountAsync(queue, Cancelled)).Messages);
        }
        finally
        {
            await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        }
    }

    [Fact]
    public async Task Where_the_dead_queue_may_not_be_declared_the_consumer_says_so_at_the_first_failure()
    {
        (string user, string password) = ($"limited-{Guid.NewGuid():N}", "secret");
        await Broker.Node.AddUserAsync(user, password, Cancelled);
        try
        {
            await Broker.Node.SetPermissionsAsync(user, "^$", ".*", ".*", Cancelled);
            AmqpClient other = await ConnectAsync();
            AmqpClient amqp = await ConnectAsync(options => options.Uri =
                new UriBuilder(Broker.Uri) { UserName = user, Password = password }.Uri.ToString());
            string queue = await NewQueueAsync(other);
            var inbox = new Inbox((_, _) => Fail());
            AmqpSubscription consumer = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
                new AmqpConsumerOptions { OnFailure = Long }, Cancelled);
            await PublishAsync(other, queue, "a");

            await UntilAsync(() => amqp.Status.Links[1].Consumers.Single() is { Held: 1, DeadLetterError: { } error }
                && error.Contains("403", StringComparison.Ordinal));
            await InTime(consumer.StopAsync(Cancelled));
            await UntilAsync(() => other.Admin.CountAsync(queue, Cancelled), counts => counts is (1, 0));
        }
        finally
        {
            await Broker.Node.DeleteUserAsync(user, Cancelled);
        }
    }

    [Theory]
    [InlineData("exclusive")]
    [InlineData("auto-delete")]
    public async Task A_queue_that_goes_by_itself_has_no_dead_queue_and_the_log_says_discarded(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = queue,
            Exclusive = kind == "exclusive",
            AutoDelete = kind == "auto-delete",
        }), Cancelled);
        var inbox = new Inbox((_, _) => Fail());
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = Short, Prefetch = 1 }, Cancelled);
        await PublishAsync(amqp, queue, "a");

        AmqpConsumerStatus status = await UntilAsync(
            () => Task.FromResult(amqp.Status.Links[1].Consumers.Single()), consumer => consumer.Rejected == 1);

        Assert.Contains("was discarded: its handler failed 3 times", status.LastRejection, StringComparison.Ordinal);
        Assert.Equal(3, inbox.All.Count);
        Assert.False(await witness.ExistsAsync($"{queue}.dead"));
        Assert.False(await witness.ExistsAsync(
            string.Create(CultureInfo.InvariantCulture, $"{queue}.retry.20")));
    }
}
