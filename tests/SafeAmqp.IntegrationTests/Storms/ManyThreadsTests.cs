using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Storms;

public sealed class ManyThreadsTests(TestBroker broker) : FaultTest(broker)
{
    [Theory]
    [InlineData(AmqpConnectionLayout.Separate, 2_000)]
    [InlineData(AmqpConnectionLayout.Shared, 500)]
    public async Task Sixty_four_threads_share_one_client_and_each_message_arrives_once_and_in_order(
        AmqpConnectionLayout layout, int messagesEach)
    {
        const int Threads = 64;
        messagesEach *= Volume;
        BrokerRecord record = await Broker.Node.WatchAsync(Cancelled);
        string name = $"threads-{Guid.NewGuid():N}";
        AmqpClient amqp = await ConnectAsync(options => (options.Layout, options.ClientName) = (layout, name));
        string queue = await NewQueueAsync(amqp), exchange = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout), Cancelled);
        var history = new History(Threads, messagesEach);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history, prefetch: 2000);
        int declared = 0;
        long start = Stopwatch.GetTimestamp();
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(publisher => new Thread(() =>
        {
            var batch = new List<Task>();
            for (int number = 0; number < messagesEach; number++)
            {
                batch.Add(history.PublishAsync(amqp, queue, publisher, number));
                if (number % 1000 == 0)
                {
                    batch.Add(amqp.DeclareAsync(new AmqpTopology()
                        .With(new AmqpQueue { Name = $"{exchange}.{publisher}", AutoDelete = true })
                        .Bind(exchange, $"{number}").ToQueue($"{exchange}.{publisher}")));
                    Interlocked.Increment(ref declared);
                }
                if (batch.Count < 100)
                    continue;
                Task.WaitAll(batch);
                batch.Clear();
            }
            Task.WaitAll(batch);
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        await Task.Run(() => Array.ForEach(threads, thread => thread.Join()), Cancelled);
        await DrainAsync(amqp, queue, last, TimeSpan.FromSeconds(60));
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        history.Verify();
        Assert.Equal(Threads * messagesEach, history.Count(Ending.Confirmed));
        Assert.Equal(Threads * messagesEach, history.Deliveries);
        Assert.True(declared >= Threads * messagesEach / 1000);
        // 40 s beside others on two cores; a jam takes for ever
        Assert.True(took < TimeSpan.FromSeconds(120), $"took {took}");
        // every acknowledgement arrived, and meant what it said
        await UntilAsync(() => MessagesInAsync(queue), count => count == 0);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
        // What the broker had to say about these connections: that they came.
        Assert.Equal(layout == AmqpConnectionLayout.Shared ? 1 : 2, await record.ConnectionsAsync(name, Cancelled));
        Assert.Empty(await record.ErrorsAsync(name, Cancelled));
        Assert.Equal(0, await record.EndedAsync(name, Cancelled));
        TestContext.Current.TestOutputHelper?.WriteLine($"{Threads * messagesEach} messages "
            + $"in {took.TotalSeconds:0.0} s");
    }

    [Fact]
    public async Task A_hundred_thousand_callers_publish_at_once()
    {
        const int Callers = 100_000;
        AmqpClient amqp = await ConnectAsync(options => options.PublishTimeout = TimeSpan.FromMinutes(1));
        string queue = await NewQueueAsync(amqp);
        var history = new History(1, Callers);
        TaskCompletionSource last = await RecordAsync(amqp, queue, history, prefetch: 2000);
        int threadsBefore = Process.GetCurrentProcess().Threads.Count;
        await PauseBrokerAsync(); // else it confirms while they are begun, on a busy machine perhaps almost all
        var callers = new Task[Callers];
        for (int number = 0; number < Callers; number++)
            callers[number] = history.PublishAsync(amqp, queue, 0, number, cancellationToken: Cancelled);
        int waiting = callers.Count(caller => !caller.IsCompleted);
        Assert.True(waiting > 10_000, $"only {waiting} at once");
        AmqpLinkStatus status = amqp.Status.Links[0];
        // the bound; the others wait for credit
        Assert.InRange(status.QueuedMessages + status.UnconfirmedMessages, 1, 10_000);
        await Broker.Node.ResumeAsync(Cancelled);
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromSeconds(60), Cancelled);
        await DrainAsync(amqp, queue, last);
        history.Verify();
        Assert.Equal(Callers, history.Count(Ending.Confirmed));
        Assert.Equal(Callers, history.Deliveries);
        Assert.True(Process.GetCurrentProcess().Threads.Count < threadsBefore + 30);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }
}
