#pragma warning disable CA2012 // value tasks are kept until all wait: that is what is measured
using System.Diagnostics;

namespace SafeAmqp.Benchmarks.Measuring;

/// <summary>Something that is to stay below a limit, measured once.</summary>
/// <param name="Name">What it is chosen by.</param>
/// <param name="What">What is measured.</param>
/// <param name="Limit">The most that it may be.</param>
/// <param name="Unit">Of what.</param>
/// <param name="MeasureAsync">Measures it against a broker.</param>
internal sealed record Bound(string Name, string What, double Limit, string Unit, Func<Uri, Task<double>> MeasureAsync);

/// <summary>What a client costs while nothing moves, and what waits in it.</summary>
internal static class Bounds
{
    private const int Queued = 1_000_000;
    private const int Calls = 100_000;

    internal static IReadOnlyList<Bound> All { get; } =
    [
        new("idle", "processor time of a connected client that does nothing, part of a core", 0.5, "%", IdleAsync),
        new("queued", "memory of each of 1,000,000 publishes that wait for a broker, which is the bound: one more "
            + "is refused", 500, "B", QueuedAsync),
        new("pending-calls", "memory of each of 100,000 calls that wait for their replies", 2500, "B",
            PendingCallsAsync),
    ];

    private static async Task<double> IdleAsync(Uri broker)
    {
        await using AmqpClient client = await AmqpClient.ConnectAsync(broker.ToString());
        await Task.Delay(TimeSpan.FromSeconds(3)); // until the compiler in the background has come to rest
        using var process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        long start = Stopwatch.GetTimestamp();
        await Task.Delay(TimeSpan.FromSeconds(8));
        process.Refresh();
        return 100 * (process.TotalProcessorTime - before) / Stopwatch.GetElapsedTime(start);
    }

    private static async Task<double> QueuedAsync(Uri broker)
    {
        // Nothing listens there: everything waits.
        await using var client = new AmqpClient(new AmqpClientOptions
        {
            Uri = "amqp://guest:guest@127.0.0.1:1/",
            MaxPendingMessages = Queued,
            FullMode = AmqpFullMode.Fail,
            PublishTimeout = TimeSpan.FromMinutes(10),
        });
        var message = AmqpMessage.ToQueue("nowhere", []);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var waiting = new ValueTask[Queued];
        for (int i = 0; i < Queued; i++)
            waiting[i] = client.PublishAsync(message); // consumed once, below; a task would count as memory
        while (client.Status.Links[0].QueuedMessages < Queued)
            await Task.Delay(10);
        double each = (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)Queued;
        try
        {
            await client.PublishAsync(message);
            throw new InvalidOperationException("One more than the bound was taken.");
        }
        catch (AmqpNotSentException)
        {
            return each;
        }
        finally
        {
            foreach (ValueTask one in waiting)
                _ = one.AsTask().ContinueWith(static ended => ended.Exception, CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private static async Task<double> PendingCallsAsync(Uri broker)
    {
        const string Queue = "safeamqp.benchmark.silent";
        await using AmqpClient client = await AmqpClient.ConnectAsync(new AmqpClientOptions
        {
            Uri = broker.ToString(),
            MaxPendingCalls = Calls,
        });
        var queue = new AmqpQueue { Name = Queue, Expires = TimeSpan.FromSeconds(30) };
        await client.DeclareAsync(new AmqpTopology().With(queue));
        var request = new AmqpMessage { RoutingKey = Queue, Persistent = false };
        var options = new AmqpCallOptions { Timeout = TimeSpan.FromMinutes(10) };
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var waiting = new Task[Calls];
        for (int i = 0; i < Calls; i++)
            waiting[i] = client.CallAsync(request, options).AsTask();
        while (client.Status.Links[0] is not { PendingCalls: Calls, QueuedMessages: 0, UnconfirmedMessages: 0 })
            await Task.Delay(10);
        double each = (GC.GetTotalMemory(forceFullCollection: true) - before) / (double)Calls;
        foreach (Task one in waiting)
            _ = one.ContinueWith(static ended => ended.Exception, CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return each;
    }
}
