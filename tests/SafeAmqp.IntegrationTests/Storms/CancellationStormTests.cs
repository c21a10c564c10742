using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Storms;

public sealed class CancellationStormTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate, 2_500)]
    [InlineData(AmqpConnectionLayout.Shared, 2_500)]
    public async Task Cancelled_at_random_points_a_publish_never_arrives_and_all_others_end_true(
        AmqpConnectionLayout layout, int messagesEach)
    {
        const int Publishers = 16;
        messagesEach *= Volume;
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        // A small window and a small credit, so that tokens find publishes in every state: waiting for credit, queued,
        // sent.
        string name = $"cancellations-{Guid.NewGuid():N}";
        AmqpClient amqp = await ConnectAsync(options =>
            (options.ClientName, options.Layout, options.MaxUnconfirmedMessages, options.MaxPendingMessages) = (
                name, layout, 100, 400));
        string queue = await NewQueueAsync(amqp);
        var history = new History(Publishers, messagesEach);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history, prefetch: 2000);
        using var toCancel = new BlockingCollection<CancellationTokenSource>(1000);
        int fired = 0;
        Thread[] cancellers = [.. Enumerable.Range(0, 2).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            var later = new List<CancellationTokenSource>();
            foreach (CancellationTokenSource source in toCancel.GetConsumingEnumerable())
            {
                Thread.SpinWait(random.Next(500));
                later.Add(source); // one of the last 500 fires: just made, or perhaps on its way for long
                if (later.Count < 500)
                    continue;
                int chosen = random.Next(4) == 0 ? random.Next(later.Count) : later.Count - 1;
                Fire(later[chosen]);
                later.RemoveAt(chosen);
            }
            later.ForEach(Fire);
        }))];
        Array.ForEach(cancellers, canceller => canceller.Start());
        await Task.WhenAll(Enumerable.Range(0, Publishers).Select(publisher => Task.Run(async () =>
        {
            var random = new Random(publisher);
            var inFlight = new Queue<Task>();
            for (int number = 0; number < messagesEach; number++)
            {
                switch (random.Next(20))
                {
                    case < 10:
                        inFlight.Enqueue(history.PublishAsync(amqp, queue, publisher, number));
                        break;
                    case < 18: // at a random point
                        var source = new CancellationTokenSource();
                        inFlight.Enqueue(
                            history.PublishAsync(amqp, queue, publisher, number, cancellationToken: source.Token));
                        toCancel.Add(source);
                        break;
                    case 18: // right after
                        var after = new CancellationTokenSource();
                        inFlight.Enqueue(
                            history.PublishAsync(amqp, queue, publisher, number, cancellationToken: after.Token));
                        await after.CancelAsync();
                        Interlocked.Increment(ref fired);
                        break;
                    default: // while it is being called
                        var during = new CancellationTokenSource();
                        var cancelling = Task.Run(during.Cancel);
                        inFlight.Enqueue(
                            history.PublishAsync(amqp, queue, publisher, number, cancellationToken: during.Token));
                        await cancelling;
                        Interlocked.Increment(ref fired);
                        break;
                }
                if (inFlight.Count >= 50)
                    await inFlight.Dequeue();
            }
            await Task.WhenAll(inFlight);
        }))).WaitAsync(TimeSpan.FromSeconds(90), Cancelled);
        toCancel.CompleteAdding();
        Array.ForEach(cancellers, canceller => canceller.Join());
        await DrainAsync(amqp, queue, last);
        history.Verify();
        int all = Publishers * messagesEach, cancelled = history.Count(Ending.Cancelled);
        Assert.Equal(all, cancelled + history.Count(Ending.Confirmed));
        Assert.Equal(history.Count(Ending.Confirmed), history.Deliveries);
        Assert.InRange(fired, all * 3 / 10, all);
        Assert.True(cancelled > all / 50, $"only {cancelled} of {fired} tokens found their publish here");
        Assert.True(fired - cancelled > all / 50, $"only {fired - cancelled} tokens came too late");
        await UntilAsync(() => amqp.Status.Links[0] is { QueuedMessages: 0, UnconfirmedMessages: 0 });
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
        Assert.True(await record.ConnectionsAsync(name, Cancelled) > 0);
        Assert.Empty(await record.ErrorsAsync(name, Cancelled));
        TestContext.Current.TestOutputHelper?.WriteLine($"{history}; {fired} tokens fired");

        void Fire(CancellationTokenSource source)
        {
            source.Cancel();
            Interlocked.Increment(ref fired);
        }
    }
}
