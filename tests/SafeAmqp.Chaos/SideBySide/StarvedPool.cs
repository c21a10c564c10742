using System.Diagnostics;
using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>
/// F6: four hundred work items block the thread pool. Both are watched from a thread of its own, as a continuation
/// would wait for the pool.
/// </summary>
internal static class StarvedPool
{
    private const int Items = 400;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2), Starved = TimeSpan.FromSeconds(6);

    internal static Comparison On(Bench bench) => new(
        "F6", $"{Items} work items block the thread pool for 6 s, a publish with a deadline of 2 s",
        () => Isolated.RunAsync("F6", bench.Port), () => SafeAsync(bench));

    internal static async Task<Column> RawAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        await using IConnection connection = await Bench.Factory(bench.Port).CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync(Bench.Confirming);
        return await StarveAsync(() =>
        {
            var deadline = new CancellationTokenSource(Deadline);
            Task publish =
                channel.BasicPublishAsync("", queue, mandatory: true, Bodies.Make(0, 0, 16), deadline.Token).AsTask();
            return () => publish.IsCompleted;
        });
    }

    private static async Task<Column> SafeAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        AmqpClientOptions options = Bench.Options(bench.Port);
        options.PublishTimeout = Deadline;
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(options);
        return await StarveAsync(() =>
        {
            ValueTask publish = amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bodies.Make(0, 0, 16)));
            return () => publish.IsCompleted;
        });
    }

    private static async Task<Column> StarveAsync(Func<Func<bool>> publish)
    {
        using var over = new ManualResetEventSlim();
        var told = new TaskCompletionSource<TimeSpan?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var watcher = new Thread(() =>
        {
            Task[] blocked = [
                .. Enumerable.Range(0, Items).Select(_ => Task.Run(() => over.Wait(TimeSpan.FromSeconds(60))))];
            Thread.Sleep(200); // the pool has no thread left
            long start = Stopwatch.GetTimestamp();
            Func<bool> ended = publish();
            while (!ended() && Stopwatch.GetElapsedTime(start) < Starved)
                Thread.Sleep(5);
            TimeSpan? took = ended() ? Stopwatch.GetElapsedTime(start) : null;
            over.Set();
            Task.WaitAll(blocked);
            told.SetResult(took);
        })
        { IsBackground = true };
        watcher.Start();
        return await told.Task is { } took
            ? new Column(
                $"the publish ended after {took.TotalSeconds:0.00} s", took < Deadline + TimeSpan.FromSeconds(1))
            : new Column(
                $"the publish had not ended after {Starved.TotalSeconds:0} s, when the pool was freed", Held: false);
    }
}
