using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace SafeAmqp.IntegrationTests.Consuming;

// Nothing leaves its queue unhandled in silence: the log, a metric and the consumer's status say so.
[Trait("Broker", "3.10")]
public sealed class RejectionTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory]
    [InlineData("unreadable", false)]
    [InlineData("unreadable", true)]
    [InlineData("rejected", false)]
    [InlineData("rejected", true)]
    [InlineData("by hand", false)]
    [InlineData("failed", false)]
    [InlineData("failed", true)]
    [InlineData("no retries left", false)]
    [InlineData("acknowledged before", false)]
    public async Task What_leaves_its_queue_unhandled_is_logged_counted_and_shown(string how, bool hasDeadLetters)
    {
        using var log = new CapturedLines();
        using var meters = new MeterListener();
        var counted = new ConcurrentQueue<string>();
        string name = NewName();
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "safeamqp.consumer.rejected")
                listener.EnableMeasurementEvents(instrument);
        };
        meters.SetMeasurementEventCallback<long>((_, count, tags, _) =>
        {
            Dictionary<string, object?> all = new([.. tags]);
            if ((string?)all["safeamqp.client.name"] == name)
                counted.Enqueue($"{count} {all["messaging.destination.name"]} {all["safeamqp.rejection.reason"]} "
                    + $"{all["safeamqp.rejection.fate"]}");
        });
        meters.Start();
        AmqpClient amqp = await ConnectAsync(options => (options.LoggerFactory, options.ClientName) = (log, name));
        string queue = NewName();
        if (hasDeadLetters)
            (queue, _) = await NewQueueWithDeadLettersAsync(amqp);
        else
            await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        Named($"{queue}.retry.50");
        AmqpConsumerOptions options = new()
        {
            AutoAck = how == "acknowledged before",
            OnFailure = how == "no retries left" ? AmqpFailurePolicy.Retry(1, TimeSpan.FromMilliseconds(50))
                : AmqpFailurePolicy.Reject,
        };

        if (how == "unreadable")
            await amqp.ConsumeJsonAsync<int>(queue, (_, _, _) => throw new InvalidOperationException(), options,
                Cancelled);
        else
            await amqp.ConsumeAsync(queue, (delivery, _) =>
            {
                if (how == "by hand")
                    delivery.Settle(AmqpSettlement.Reject);
                return how is "rejected" or "by hand" ? new(AmqpSettlement.Reject)
                    : throw new InvalidOperationException("broken");
            }, options, Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("{")) with { MessageId = "m-7" }, Cancelled);

        AmqpConsumerStatus status = await UntilAsync(
            () => Task.FromResult(amqp.Status.Links[1].Consumers.Single()), consumer => consumer.Rejected == 1,
            "a rejection in the status");
        string kind = how switch { "unreadable" => how, "rejected" or "by hand" => "rejected", _ => "failed" };
        string told = hasDeadLetters ? "dead-lettered to exchange ''" : "discarded";
        Assert.Contains($"(message id m-7) was {told}: ", status.LastRejection, StringComparison.Ordinal);
        string line = Assert.Single(log.Lines, line => line.StartsWith("Error 306 ", StringComparison.Ordinal));
        Assert.Contains($"AMQP client '{name}' {told} a message of queue '{queue}' (delivery ", line,
            StringComparison.Ordinal);
        Assert.Contains("message id m-7", line, StringComparison.Ordinal);
        Assert.Equal([$"1 {queue} {kind} {(hasDeadLetters ? "dead_lettered" : "discarded")}"], counted);
    }

    [Fact]
    public async Task An_unreadable_message_is_not_tried_again_whatever_the_policy_says()
    {
        AmqpClient amqp = await ConnectAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        var letters = new Inbox();
        await amqp.ConsumeAsync(dead, letters.HandleAsync, cancellationToken: Cancelled);
        int values = 0;
        await amqp.ConsumeJsonAsync<int>(queue, (value, _, _) =>
        {
            values += value;
            return new(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue }, Cancelled);

        await PublishAsync(amqp, queue, "1", "{", "null", "2");

        Assert.Equal(["{", "null"], (await letters.NextAsync(2)).Select(Text));
        await UntilAsync(() => Task.FromResult(values), sum => sum == 3, "both values");
    }

    [Fact]
    public async Task A_delivery_that_was_lost_is_not_reported_as_gone()
    {
        FrameRelay relay = NewRelay();
        using var log = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options => (options.Uri, options.LoggerFactory) = (relay.Uri, log));
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        var inbox = new Inbox(async (delivery, lost) =>
        {
            if (delivery.IsRedelivered)
                return AmqpSettlement.Ack;
            await Task.Delay(Timeout.Infinite, lost).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return AmqpSettlement.Reject;
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
        relay.Cut();

        Assert.Equal("a", Text(await inbox.NextAsync()));
        Assert.Equal(0, amqp.Status.Links[1].Consumers.Single().Rejected);
        Assert.DoesNotContain(log.Lines, line => line.StartsWith("Error 306 ", StringComparison.Ordinal));
    }
}
