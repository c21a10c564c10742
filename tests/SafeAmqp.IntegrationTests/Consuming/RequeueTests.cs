using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Consuming;

/// <summary>A failed delivery that goes back to its queue is held for a while before, and longer each time.</summary>
[Trait("Broker", "3.10")]
public sealed class RequeueTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory]
    [InlineData(AmqpQueueType.Classic, "throws", 1)]
    [InlineData(AmqpQueueType.Classic, "returns Requeue", 1)]
    [InlineData(AmqpQueueType.Classic, "throws", 8)]
    [InlineData(AmqpQueueType.Quorum, "returns Requeue", 1)]
    public async Task A_message_that_always_fails_comes_ever_more_rarely(AmqpQueueType type, string how, int messages)
    {
        AmqpClient amqp = await ConnectAsync();
        (string queue, _) = await NewQueueWithDeadLettersAsync(amqp, type);
        var inbox = new Inbox((_, _) => how == "throws" ? throw new InvalidOperationException("always")
            : ValueTask.FromResult(AmqpSettlement.Requeue));
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue, Concurrency = 4 }, Cancelled);
        await PublishAsync(amqp, queue, Numbers(messages));
        await Task.Delay(TimeSpan.FromSeconds(3), Cancelled); // what is measured is how little happens in that time
        int deliveries = inbox.All.Count;
        // At 0, 50, 150, 350, 750, 1,550, 3,150 ms, or half of these: for the eighth time not before 3,100.
        Assert.InRange(deliveries, 4 * messages, 7 * messages);
    }

    [Fact]
    public async Task The_others_of_the_prefetch_go_on_while_one_is_held()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox((delivery, _) => Text(delivery) == "poison"
            ? throw new InvalidOperationException("always") : ValueTask.FromResult(AmqpSettlement.Ack));
        await using AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue }, Cancelled);
        await PublishAsync(amqp, queue, "poison");
        await UntilAsync(() => inbox.All.Count >= 5); // it is held for 400 ms and more by now
        var watch = Stopwatch.StartNew();
        await PublishAsync(amqp, queue, Numbers(200));
        await UntilAsync(() => inbox.All.Count(delivery => Text(delivery) != "poison") == 200);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2), $"{watch.Elapsed}");
    }

    [Fact]
    public async Task Stopping_gives_back_what_is_held_at_once()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox((_, _) => throw new InvalidOperationException("always"));
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue }, Cancelled);
        await PublishAsync(amqp, queue, "poison");
        await UntilAsync(() => inbox.All.Count >= 7); // held for 1.6 s and more
        var watch = Stopwatch.StartNew();
        await InTime(subscription.DisposeAsync());
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(1), $"{watch.Elapsed}");
        await UntilReadyAsync(witness, queue, 1);
    }
}
