using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace SafeAmqp.IntegrationTests.Consuming;

[Trait("Broker", "3.10")]
public sealed class FailurePolicyTests(TestBroker broker) : FeatureTest(broker)
{
    public static TheoryData<AmqpQueueType, AmqpConnectionLayout> Kinds => new()
    {
        { AmqpQueueType.Classic, AmqpConnectionLayout.Separate },
        { AmqpQueueType.Classic, AmqpConnectionLayout.Shared },
        { AmqpQueueType.Quorum, AmqpConnectionLayout.Separate },
    };

    [Theory, MemberData(nameof(Kinds))]
    public async Task With_Requeue_a_failed_delivery_is_requeued_after_a_moment(
        AmqpQueueType type, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        var (queue, _) = await NewQueueWithDeadLettersAsync(amqp, type);
        await PublishAsync(amqp, queue, "a");
        var inbox = new Inbox((delivery, _) => delivery.IsRedelivered
            ? ValueTask.FromResult(AmqpSettlement.Ack)
            : throw new InvalidOperationException("first"));
        await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue }, Cancelled);
        IReadOnlyList<AmqpDelivery> both = await inbox.NextAsync(2);
        // classic queues do not count
        Assert.Equal([0, type == AmqpQueueType.Quorum ? 1 : 0], both.Select(delivery => delivery.PreviousAttempts));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task With_Reject_a_failed_delivery_goes_to_the_dead_letter_queue_at_once(
        AmqpQueueType type, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp, type);
        await PublishAsync(amqp, queue, "a");
        var inbox = new Inbox((_, _) => throw new InvalidOperationException("always"));
        var letters = new Inbox();
        await amqp.ConsumeAsync(dead, letters.HandleAsync, cancellationToken: Cancelled);
        await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Reject }, Cancelled);
        Assert.Equal("a", Text(await letters.NextAsync()));
        Assert.Single(inbox.All);
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task With_Retry_a_delivery_is_retried_as_often_as_set_and_then_dead_lettered_unchanged(
        AmqpQueueType type, AmqpConnectionLayout layout)
    {
        var delay = TimeSpan.FromMilliseconds(250);
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp, type);
        string exchange = NewName();
        await amqp.DeclareAsync(
            new AmqpTopology().Exchange(exchange, AmqpExchangeType.Topic)
                .Bind(exchange, "orders.#").ToQueue(queue), Cancelled);
        var sent = new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = "orders.new",
            Body = Bytes("order"),
            ContentType = "text/plain",
            ContentEncoding = "identity",
            CorrelationId = "correlation",
            ReplyTo = "nowhere",
            MessageId = "message-1",
            Timestamp = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
            Type = "order",
            AppId = "shop",
            Priority = 3,
            Headers = new Dictionary<string, object?> { ["tenant"] = "t1", ["size"] = 5 },
        };
        var times = new System.Collections.Concurrent.ConcurrentQueue<long>();
        var inbox = new Inbox((_, _) =>
        {
            times.Enqueue(TimeProvider.System.GetTimestamp());
            throw new InvalidOperationException("always");
        });
        var letters = new Inbox();
        await amqp.ConsumeAsync(dead, letters.HandleAsync, cancellationToken: Cancelled);
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(2, delay) }, Cancelled);
        await amqp.PublishAsync(sent, Cancelled);
        AmqpDelivery letter = await letters.NextAsync();

        Assert.Equal([0, 1, 2], inbox.All.Select(delivery => delivery.PreviousAttempts));
        long[] begun = [.. times];
        // The broker counts whole milliseconds of its own clock.
        Assert.All(begun.Zip(begun.Skip(1)), pair => Assert.True(
            TimeProvider.System.GetElapsedTime(pair.First, pair.Second) >= delay - TimeSpan.FromMilliseconds(5)));
        Assert.All([.. inbox.All, letter], delivery =>
        {
            Assert.Equal("order", Text(delivery));
            AmqpMessage message = delivery.Message;
            Assert.Equal((exchange, "orders.new"), (message.Exchange, message.RoutingKey));
            Assert.Equal("t1", message.Headers!["tenant"]);
            Assert.Equal(5, message.Headers["size"]);
            Assert.Equal(
                (sent with { Mandatory = true }).Properties(), (message with { Mandatory = true }).Properties());
        });
        Assert.Equal(2L, letter.Message.Headers!["x-safeamqp-attempts"]);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Equal(0u, await witness.ReadyAsync(Named($"{queue}.retry.250")));
    }

    [Fact]
    public async Task Attempts_in_a_queue_do_not_count_in_the_queue_of_its_dead_letters()
    {
        var policy = AmqpFailurePolicy.Retry(2, TimeSpan.FromMilliseconds(20));
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        Named($"{queue}.retry.20");
        Named($"{dead}.retry.20");
        var letters = new Inbox((delivery, _) => delivery.PreviousAttempts < 2
            ? throw new InvalidOperationException("passing")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        await amqp.ConsumeAsync(dead, letters.HandleAsync, new AmqpConsumerOptions { OnFailure = policy }, Cancelled);
        await amqp.ConsumeAsync(queue, (_, _) => throw new InvalidOperationException("always"),
            new AmqpConsumerOptions { OnFailure = policy }, Cancelled);
        await PublishAsync(amqp, queue, "a");

        Assert.Equal([0, 1, 2], (await letters.NextAsync(3)).Select(delivery => delivery.PreviousAttempts));
        await UntilReadyAsync(witness, dead, 0);
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(long.MaxValue)]
    public async Task A_count_that_a_peer_wrote_as_large_as_can_be_is_the_last_attempt(object attempts)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), dead = Named($"{queue}.dead");
        var inbox = new Inbox((delivery, _) => Text(delivery) == "bad"
            ? throw new InvalidOperationException("always")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("bad")) with
        {
            Headers = new Dictionary<string, object?> { ["x-safeamqp-attempts"] = attempts },
        }, Cancelled);
        await PublishAsync(amqp, queue, "good");

        Assert.Equal(["bad", "good"], (await inbox.NextAsync(2)).Select(Text));
        await UntilAsync(
            async () => await witness.ExistsAsync(dead) ? await witness.ReadyAsync(dead) : 0, ready => ready == 1);
    }

    [Fact]
    public async Task With_Retry_a_queue_of_one_connection_gets_no_queue_beside_it()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Exclusive = true }), Cancelled);
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts < 2
            ? throw new InvalidOperationException("passing")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(5, TimeSpan.FromMilliseconds(20)) },
            Cancelled);
        await PublishAsync(amqp, queue, "a");

        Assert.Equal(3, (await inbox.NextAsync(3)).Count);
        Assert.False(await witness.ExistsAsync($"{queue}.retry.20"));
    }

    [Fact]
    public async Task With_Retry_a_delivery_that_succeeds_at_its_second_attempt_is_done()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts == 0
            ? throw new InvalidOperationException("first")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions
            {
                Concurrency = 4,
                OnFailure = AmqpFailurePolicy.Retry(5, TimeSpan.FromMilliseconds(20))
            },
            Cancelled);
        await PublishAsync(amqp, queue, Numbers(20));
        await inbox.NextAsync(40);
        await subscription.DisposeAsync();
        Assert.Equal(40, inbox.All.Count);
        string retry = Named($"{queue}.retry.20");
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Equal(0u, await witness.ReadyAsync(dead));
        Assert.Equal(0u, await witness.ReadyAsync(retry));
    }

    [Fact]
    public async Task A_delivery_that_cannot_be_moved_to_its_retry_queue_is_requeued_after_the_delay_and_never_lost()
    {
        var delay = TimeSpan.FromMilliseconds(50);
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        await witness.QueueAsync(Named($"{queue}.retry.50")); // another queue of that name, without its arguments: 406
        int attempts = 0;
        var times = new System.Collections.Concurrent.ConcurrentQueue<long>();
        var inbox = new Inbox((_, _) =>
        {
            times.Enqueue(TimeProvider.System.GetTimestamp());
            return Interlocked.Increment(ref attempts) <= 5
                ? throw new InvalidOperationException("five times")
                : ValueTask.FromResult(AmqpSettlement.Ack);
        });
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, delay) }, Cancelled);
        await PublishAsync(amqp, queue, "a");
        IReadOnlyList<AmqpDelivery> all = await inbox.NextAsync(6);
        Assert.All(all.Skip(1), delivery => Assert.True(delivery.IsRedelivered));
        Assert.All(times.Zip(times.Skip(1)), pair => Assert.True(
            TimeProvider.System.GetElapsedTime(pair.First, pair.Second) >= delay - TimeSpan.FromMilliseconds(5)));
        await subscription.DisposeAsync();
        Assert.Equal((0u, 0u), (await witness.ReadyAsync(queue), await witness.ReadyAsync(dead)));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_consumer_that_keeps_a_delivery_it_cannot_move_stops_without_waiting_for_the_delay()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, _) = await NewQueueWithDeadLettersAsync(amqp);
        await witness.QueueAsync(Named($"{queue}.retry.60000"));
        var inbox = new Inbox((_, _) => throw new InvalidOperationException("always"));
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions
            {
                OnFailure = AmqpFailurePolicy.Retry(1, TimeSpan.FromMinutes(1)),
                StopTimeout = TimeSpan.FromMinutes(5)
            },
            Cancelled);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
        await InTime(subscription.DisposeAsync());
        await UntilReadyAsync(witness, queue, 1);
    }

    [Fact]
    public async Task A_retry_queue_that_was_deleted_is_declared_again()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts == 0
            ? throw new InvalidOperationException("first")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        AmqpSubscription subscription = await amqp.ConsumeAsync(
            queue,
            inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, TimeSpan.FromMilliseconds(20)) },
            Cancelled);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync(2);
        string retry = Named($"{queue}.retry.20");
        await witness.Channel.QueueDeleteAsync(retry, ifUnused: false, ifEmpty: false, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "b");
        // failed, requeued as it could not be moved, failed and moved, done
        IReadOnlyList<AmqpDelivery> all = await inbox.NextAsync(3);
        Assert.Equal([0, 0, 1], all.Select(delivery => delivery.PreviousAttempts));
        await subscription.DisposeAsync();
        Assert.Equal((0u, 0u), (await witness.ReadyAsync(queue), await witness.ReadyAsync(dead)));
    }

    [Theory]
    [InlineData(AmqpQueueType.Quorum, AmqpQueueType.Quorum, true)]
    [InlineData(AmqpQueueType.Quorum, AmqpQueueType.Classic, true)] // another client, which does not know, made it
    [InlineData(AmqpQueueType.Quorum, AmqpQueueType.Quorum, false)] // another client, which knows, made it
    [InlineData(AmqpQueueType.Classic, AmqpQueueType.Quorum, true)]
    public async Task A_retry_queue_that_exists_is_used_whichever_type_it_has(
        AmqpQueueType type, AmqpQueueType of, bool isKnown)
    {
        Witness witness = await WitnessAsync();
        string queue = NewName(), retry = Named($"{queue}.retry.20");
        AmqpClient declaring = await ConnectAsync(), amqp = isKnown ? declaring : await ConnectAsync();
        await declaring.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Type = type }), Cancelled);
        await DeclareRetryQueueAsync(witness, retry, queue, of);
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts == 0
            ? throw new InvalidOperationException("first")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, TimeSpan.FromMilliseconds(20)) },
            Cancelled);
        await PublishAsync(amqp, queue, "a");
        IReadOnlyList<AmqpDelivery> all = await inbox.NextAsync(2);
        Assert.Equal([(0, false), (1, false)],
            all.Select(delivery => (delivery.PreviousAttempts, delivery.IsRedelivered)));
        await subscription.DisposeAsync();
        Assert.Equal((0u, 0u), (await witness.ReadyAsync(queue), await witness.ReadyAsync(retry)));
    }

    [Fact]
    public async Task The_retry_queue_of_a_quorum_queue_keeps_a_message_until_it_has_returned()
    {
        Witness witness = await WitnessAsync();
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName(), retry = Named($"{queue}.retry.20");
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Type = AmqpQueueType.Quorum }), Cancelled);
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts == 0
            ? throw new InvalidOperationException("first")
            : ValueTask.FromResult(AmqpSettlement.Ack));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, TimeSpan.FromMilliseconds(20)) },
            Cancelled);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync(2);
        // The broker takes a declaration of what is there, and no other.
        await DeclareRetryQueueAsync(witness, retry, queue, AmqpQueueType.Quorum);
        await Assert.ThrowsAsync<OperationInterruptedException>(
            () => DeclareRetryQueueAsync(witness, retry, queue, AmqpQueueType.Classic));
    }

    [Fact]
    public async Task Retries_that_are_out_of_range_are_refused_before_anything_happens()
    {
        await Task.CompletedTask;
        Assert.Throws<ArgumentOutOfRangeException>(() => AmqpFailurePolicy.Retry(0, TimeSpan.FromSeconds(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => AmqpFailurePolicy.Retry(1001, TimeSpan.FromSeconds(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => AmqpFailurePolicy.Retry(1, TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => AmqpFailurePolicy.Retry(1, TimeSpan.FromDays(8)));
    }

    private static async Task DeclareRetryQueueAsync(Witness witness, string retry, string queue, AmqpQueueType type)
    {
        var arguments = new Dictionary<string, object?>
        {
            ["x-message-ttl"] = 20L,
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = queue,
        };
        if (type == AmqpQueueType.Quorum)
        {
            arguments["x-queue-type"] = "quorum";
            arguments["x-overflow"] = "reject-publish";
            arguments["x-dead-letter-strategy"] = "at-least-once";
        }
        await witness.Channel.QueueDeclareAsync(retry, durable: true, exclusive: false, autoDelete: false, arguments,
            cancellationToken: Cancelled);
    }
}
