using Microsoft.Extensions.Diagnostics.HealthChecks;
using SafeAmqp.Hosting;

namespace SafeAmqp.IntegrationTests.Consuming;

public sealed class StuckHandlerTests(TestBroker broker) : FeatureTest(broker)
{
    [Fact]
    public async Task Handlers_that_all_hang_are_told_shown_and_degrade_the_readiness_until_one_ends()
    {
        using var log = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(options => options.LoggerFactory = log);
        string queue = await NewQueueAsync(amqp);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox(async (delivery, _) =>
        {
            if (Text(delivery) != "free")
                await release.Task;
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, new AmqpConsumerOptions
        {
            Concurrency = 2,
            HandlerWarning = TimeSpan.FromSeconds(1),
        }, Cancelled);
        await PublishAsync(amqp, queue, "a");
        await inbox.NextAsync();
        Assert.Equal(HealthStatus.Healthy, Health.Readiness(amqp.Status, isComplete: true));

        await PublishAsync(amqp, queue, "b");
        await UntilAsync(() => log.Lines.Any(line => line.StartsWith("Warning 308 ", StringComparison.Ordinal)
            && line.Contains(queue, StringComparison.Ordinal)));

        Assert.True(amqp.Status.Links[1].Consumers.Single().StuckFor >= TimeSpan.FromSeconds(1));
        Assert.Contains($"all handlers of '{queue}' running for", amqp.Status.ToString(), StringComparison.Ordinal);
        Assert.Equal(HealthStatus.Degraded, Health.Readiness(amqp.Status, isComplete: true));
        release.SetResult();
        await UntilAsync(() => amqp.Status.Links[1].Consumers.Single().StuckFor is null);
        Assert.Equal(HealthStatus.Healthy, Health.Readiness(amqp.Status, isComplete: true));
        Assert.Single(log.Lines, line => line.StartsWith("Warning 308 ", StringComparison.Ordinal));
    }
}
