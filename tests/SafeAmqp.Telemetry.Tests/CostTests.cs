namespace SafeAmqp.Telemetry.Tests;

/// <summary>What watching costs while nothing watches. What it costs in time is a benchmark's to say.</summary>
public sealed class CostTests : TelemetryTest
{
    private const int Count = 2000;

    [Fact]
    public async Task Without_a_listener_an_operation_allocates_no_more_than_without_a_watcher()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        var message = AmqpMessage.ToQueue("q", []);
        Assert.False(amqp.Observer.SeesSends);
        await amqp.PublishAllAsync([.. Enumerable.Repeat(message, 2000)], Cancelled); // warm

        // The least of several rounds: whose message makes the mailbox grow is chance.
        long watched = long.MaxValue, unwatched = long.MaxValue;
        for (int round = 0; round < 10; round++)
        {
            watched = Math.Min(watched, Publish(amqp.PublishAsync));
            unwatched = Math.Min(
                unwatched,
                Publish((message, cancelled) => amqp.SendUnobservedAsync(message, isPost: false,
                    TimeSpan.FromSeconds(30), cancelled)));
        }
        Assert.InRange(watched - unwatched, -Count, Count); // the smallest object has 24 bytes

        using (Meters.Listen())
            Assert.True(amqp.Observer.SeesSends); // else it was no test
        Assert.False(amqp.Observer.SeesSends);

        long Publish(Func<AmqpMessage, CancellationToken, ValueTask> publish)
        {
            var tasks = new Task[Count];
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Count; i++)
                tasks[i] = publish(message, CancellationToken.None).AsTask();
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Task.WaitAll(tasks, Cancelled);
            return allocated;
        }
    }

    [Fact]
    public async Task Looking_for_listeners_allocates_nothing()
    {
        AmqpClient amqp = await ConnectAsync();
        bool any = amqp.Observer.SeesSends | amqp.Observer.SeesDeliveries | amqp.Observer.SeesSettlements;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            any |= amqp.Observer.SeesSends | amqp.Observer.SeesDeliveries | amqp.Observer.SeesSettlements
                | amqp.Observer.Asked.Timestamp != 0;
        Assert.Equal((0, false), (GC.GetAllocatedBytesForCurrentThread() - before, any));
    }
}
