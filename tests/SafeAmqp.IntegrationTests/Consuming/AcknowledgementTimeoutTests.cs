namespace SafeAmqp.IntegrationTests.Consuming;

// RabbitMQ closes a channel one of whose deliveries was not acknowledged for so long: 30 minutes by default, 5 seconds
// on this node.
[Trait("Broker", "3.10")]
public sealed class AcknowledgementTimeoutTests(TestBroker broker) : FeatureTest(broker)
{
    private ControlledBroker? _node;

    public override async ValueTask InitializeAsync()
    {
        _node = Own(await Broker.StartAnotherAsync(consumerTimeout: TimeSpan.FromSeconds(5)));
    }

    [Fact]
    public async Task A_handler_that_outlasts_the_acknowledgement_timeout_is_told_and_only_its_consumer_is_reopened()
    {
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = _node!.Uri.ToString();
            options.LoggerFactory = lines;
        });
        string slow = await NewQueueAsync(amqp), quick = await NewQueueAsync(amqp);
        var told = new TaskCompletionSource<AmqpSettleResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var slowInbox = new Inbox(async (delivery, lost) =>
        {
            if (delivery.IsRedelivered)
                return AmqpSettlement.Ack;
            try
            {
                await Task.Delay(TimeSpan.FromSeconds(20), lost); // four times the broker's patience
                told.SetException(new TimeoutException("the token did not fire"));
            }
            catch (OperationCanceledException)
            {
                told.SetResult(delivery.Settle(AmqpSettlement.Ack));
            }
            return AmqpSettlement.Ack;
        });
        var quickInbox = new Inbox();
        AmqpSubscription a = await amqp.ConsumeAsync(
            slow, slowInbox.HandleAsync, new AmqpConsumerOptions { Concurrency = 2 }, Cancelled);
        AmqpSubscription b = await amqp.ConsumeAsync(quick, quickInbox.HandleAsync, cancellationToken: Cancelled);
        await PublishAsync(amqp, slow, "long work");
        await slowInbox.NextAsync();
        int sent = 0;
        while (!told.Task.IsCompleted)
        {
            await PublishAsync(amqp, quick, $"{sent++}");
            await quickInbox.NextAsync();
        }
        Assert.Equal(AmqpSettleResult.Stale, await told.Task);
        AmqpDelivery again = await slowInbox.NextAsync();
        Assert.True(again.IsRedelivered);
        await UntilAsync(() => a.State == AmqpConsumerState.Live
            && amqp.Status.Links[1].Consumers.All(consumer => consumer.Unsettled == 0));
        Assert.Contains("timed out", a.LastError!, StringComparison.Ordinal);
        Assert.Contains(lines.Lines, line => line.StartsWith("Warning 301", StringComparison.Ordinal)
            && line.Contains(slow, StringComparison.Ordinal)
            && line.Contains("timed out", StringComparison.Ordinal));
        Assert.Equal(AmqpConsumerState.Live, b.State);
        Assert.Null(b.LastError);
        Assert.Equal(Numbers(sent), quickInbox.All.Select(Text));
        Assert.All(quickInbox.All, delivery => Assert.False(delivery.IsRedelivered));
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }
}
