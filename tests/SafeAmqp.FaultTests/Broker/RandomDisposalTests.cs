using System.Collections.Concurrent;
using System.Globalization;

namespace SafeAmqp.FaultTests.Broker;

/// <summary>
/// Clients that work with all they have are disposed at a random point of it, some of them in the middle of a fault.
/// SAFEAMQP_DISPOSALS says how many; a failure names its seed.
/// </summary>
public sealed class RandomDisposalTests : FaultCase
{
    private static readonly TimeSpan Shutdown = TimeSpan.FromSeconds(1);

    // The shutdown's time, a second for the goodbye, and what a busy machine is late by.
    private static readonly TimeSpan Bound = Shutdown + TimeSpan.FromSeconds(4);

    private readonly ConcurrentDictionary<string, int> _ends = [];
    private int _midway;
    private long _slowest;

    [Fact]
    public async Task Disposed_at_any_point_in_any_state_every_operation_ends_and_nothing_confirmed_is_lost()
    {
        int runs = Number("SAFEAMQP_DISPOSALS", 300), seed = Number("SAFEAMQP_DISPOSAL_SEED", 1);
        await Parallel.ForEachAsync(
            Enumerable.Range(seed, runs),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancelled },
            async (i, _) => await RunAsync(i));
        Figure(string.Create(CultureInfo.InvariantCulture, $"{runs} disposals, {_midway} with operations under "
            + $"way, the slowest took {TimeSpan.FromTicks(_slowest).TotalSeconds:0.00} s; "
            + $"ends: {string.Join(", ", _ends.OrderBy(end => end.Key).Select(end => $"{end.Key} {end.Value}"))}"));
        Assert.True(_midway > runs / 4, "Disposal hit hardly anything under way.");
        Assert.True(_ends.ContainsKey("confirmed") && _ends.ContainsKey(nameof(ObjectDisposedException)));
        Assert.True(
            _ends.GetValueOrDefault(nameof(AmqpUnknownOutcomeException)) > 0, "Nothing was unknown: no fault hit.");
    }

    private async Task RunAsync(int seed)
    {
        var random = new Random(seed);
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { HistoryCapacity = 0, Seed = seed }, Cancelled);
        await using var relay = new Relay(broker.Port);
        var client = new AmqpClient(new AmqpClientOptions
        {
            Uri = relay.Uri,
            Layout = random.Next(2) == 0 ? AmqpConnectionLayout.Separate : AmqpConnectionLayout.Shared,
            InFlight = random.Next(3) == 0 ? AmqpInFlightPolicy.Republish : AmqpInFlightPolicy.Report,
            ReconnectDelay = TimeSpan.FromMilliseconds(1),
            MaxReconnectDelay = TimeSpan.FromMilliseconds(20),
            ShutdownTimeout = Shutdown,
            MaxUnconfirmedMessages = random.Next(1, 50),
            MaxPendingMessages = random.Next(20, 200),
        });
        int steps = 0, disposeAt = random.Next(0, 400), faultAt = random.Next(0, 500);
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var work = new ConcurrentBag<Task>();
        var confirmed = new ConcurrentBag<string>();
        var received = new ConcurrentDictionary<string, bool>();
        using var stop = new CancellationTokenSource();
        Task setUp = SetUpAsync();
        for (int worker = 0; worker < 6; worker++)
            work.Add(WorkAsync(worker, new Random(seed * 31 + worker)));
        if (disposeAt == 0)
            reached.TrySetResult();
        // a fault may have stopped them all
        await Task.WhenAny(reached.Task, Task.Delay(TimeSpan.FromSeconds(random.Next(1, 3)), Cancelled));

        int before = Volatile.Read(ref steps);
        bool midway = work.Any(task => !task.IsCompleted);
        long start = TimeProvider.System.GetTimestamp();
        Task[] disposals = [
            .. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Task.Run(async () => await client.DisposeAsync()))];
        await Within(Task.WhenAll(disposals), Bound, seed, "disposal");
        TimeSpan took = TimeProvider.System.GetElapsedTime(start);
        await stop.CancelAsync();
        await Within(Task.WhenAll([.. work, setUp]), TimeSpan.FromSeconds(10), seed, "an operation");
        if (midway)
            Interlocked.Increment(ref _midway);
        InterlockedMax(ref _slowest, took.Ticks);
        Assert.All(client.Status.Links, link => Assert.Equal(
            (AmqpLinkState.Closed, 0, 0, 0),
            (link.State, link.QueuedMessages, link.UnconfirmedMessages, link.PendingCalls)));

        // Whatever it believed to be confirmed was handled or still lies there.
        HashSet<string?> left = await broker.LookAsync(
            view => view.Messages("q").Select(message => message.MessageId).ToHashSet());
        Assert.All(confirmed, id =>
            Assert.True(received.ContainsKey(id) || left.Contains(id), $"seed {seed}: {id} was confirmed and is lost"));

        async Task SetUpAsync()
        {
            try
            {
                await client.DeclareAsync(new AmqpTopology().Queue("q").Queue("rpc"));
                await client.ServeAsync("rpc", (_, _) => ValueTask.FromResult(new AmqpMessage()));
                await client.ConsumeAsync("q", async (delivery, lost) =>
                {
                    Step();
                    if (delivery.DeliveryTag % 7 == 0)
                        await Task.Delay(TimeSpan.FromMilliseconds(3), CancellationToken.None);
                    received[delivery.Message.MessageId!] = true;
                    return AmqpSettlement.Ack;
                }, new AmqpConsumerOptions { Prefetch = 10, Concurrency = 2, StopTimeout = Shutdown });
            }
            catch (Exception error) when (error is AmqpException or ObjectDisposedException)
            {
                Count(error);
            }
        }

        void Step()
        {
            int step = Interlocked.Increment(ref steps);
            if (step == faultAt)
                Fault(broker, relay, seed);
            if (step >= disposeAt)
                reached.TrySetResult();
        }

        async Task WorkAsync(int worker, Random own)
        {
            for (int number = 0; !stop.IsCancellationRequested; number++)
            {
                string id = string.Create(CultureInfo.InvariantCulture, $"{worker}.{number}");
                Exception? error = null;
                bool publish = own.Next(4) != 0;
                try
                {
                    Step();
                    if (publish)
                        await client.PublishAsync(
                            AmqpMessage.ToQueue("q", new byte[own.Next(200)]) with { MessageId = id, Mandatory = true },
                            own.Next(5) == 0 ? stop.Token : default);
                    else if (own.Next(3) == 0)
                        await client.DeclareAsync(new AmqpTopology().Queue("q"));
                    else
                        await client.CallAsync(
                            AmqpMessage.ToQueue("rpc", []),
                            new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(3) });
                }
                catch (Exception thrown)
                    when (thrown is AmqpException or ObjectDisposedException or OperationCanceledException)
                {
                    error = thrown;
                }
                if (publish && error is null)
                    confirmed.Add(id);
                if (publish || error is not null)
                    Count(error);
                if (error is ObjectDisposedException)
                    return;
            }
        }
    }

    private static void Fault(AmqpTestBroker broker, Relay relay, int seed)
    {
        switch (seed % 6)
        {
            case 0: relay.ResetAll(); break;
            case 1: _ = broker.InjectAsync(FaultAction.Freeze()); break;
            case 2: broker.Block(); break;
            case 3: _ = broker.InjectAsync(FaultAction.CloseChannel(541, "INTERNAL_ERROR")); break;
            case 4: relay.HoldToBroker = true; break;
            default: break; // none: most are disposed in peace
        }
    }

    private void Count(Exception? error)
        => _ends.AddOrUpdate(error?.GetType().Name ?? "confirmed", 1, (_, count) => count + 1);

    private static async Task Within(Task task, TimeSpan bound, int seed, string what)
    {
        try
        {
            await task.WaitAsync(bound);
        }
        catch (TimeoutException)
        {
            throw new Xunit.Sdk.XunitException($"Seed {seed}: {what} did not end within {bound.TotalSeconds} s.");
        }
    }

    private static void InterlockedMax(ref long place, long value)
    {
        for (long seen = Volatile.Read(ref place); value > seen; seen = Volatile.Read(ref place))
        {
            if (Interlocked.CompareExchange(ref place, value, seen) == seen)
                return;
        }
    }
}
