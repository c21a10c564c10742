using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>
/// F1: sixteen callers share one confirming channel, and half of their tokens fire while they publish.
/// </summary>
internal static class CancellationStorm
{
    private const int Callers = 16, Each = 400;

    internal static Comparison On(Bench bench) => new(
        "F1", $"{Callers} callers on one channel, half of {Callers * Each} publishes cancelled within 200 µs",
        () => Isolated.RunAsync("F1", bench.Port), () => SafeAsync(bench));

    internal static async Task<Column> RawAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        IConnection connection = await Bench.Factory(bench.Port).CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync(Bench.Confirming);
        int internalErrors = 0, cancelled = 0;
        var cancelledNumbers = new System.Collections.Concurrent.ConcurrentDictionary<int, bool>();
        Task storm = StormAsync(async (number, token) =>
        {
            try
            {
                await channel.BasicPublishAsync("", queue, mandatory: true, Bodies.Make(0, number, 16), token);
            }
            catch (OperationCanceledException)
            {
                Interlocked.Increment(ref cancelled);
                cancelledNumbers[number] = true;
            }
            catch (Exception)
            {
                Interlocked.Increment(ref internalErrors);
            }
        });
        bool jammed = await Task.WhenAny(storm, Task.Delay(TimeSpan.FromSeconds(15))) != storm;
        bool open = channel.IsOpen;
        await Task.Delay(500); // what is on its way
        int delivered = (await Bench.TakeAllAsync(bench.Port, queue))
            .Count(message => cancelledNumbers.ContainsKey(message.Number));
        Bench.Abandon(connection);
        return new Column(
            $"{delivered} of {cancelled} \"cancelled\" were delivered, {internalErrors} "
                + $"other errors{(jammed ? $", jammed for ever with IsOpen == {open}" : "")}",
            delivered == 0 && internalErrors == 0 && !jammed);
    }

    private static async Task<Column> SafeAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(Bench.Options(bench.Port));
        var history = new History(1, Callers * Each);
        await StormAsync((number, token) => history.PublishAsync(amqp, queue, 0, number, cancellationToken: token))
            .WaitAsync(TimeSpan.FromSeconds(60));
        foreach ((int number, bool redelivered) in await Bench.TakeAllAsync(bench.Port, queue))
            history.Delivered(0, number, redelivered);
        IReadOnlyList<Violation> found = history.Violations(new Lane { Ordered = false });
        return new Column($"{found.Count} of {history.Count(Ending.Cancelled)} cancelled were "
            + $"delivered, {history.Count(Ending.Broken)} other errors, {history.Count(Ending.Confirmed)} confirmed",
            found.Count == 0 && history.Count(Ending.Cancelled) + history.Count(Ending.Confirmed) == Callers * Each
                && history.Count(Ending.Cancelled) > 0);
    }

    private static Task StormAsync(Func<int, CancellationToken, Task> publish)
        => Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
    {
        var random = new Random(caller);
        for (int i = 0; i < Each; i++)
        {
            using var source = new CancellationTokenSource();
            Task publishing = publish(caller * Each + i, random.Next(2) == 0 ? source.Token : CancellationToken.None);
            SpinFor(random.Next(200));
            await source.CancelAsync();
            await publishing;
        }
    })));

    private static void SpinFor(int microseconds)
    {
        long until = System.Diagnostics.Stopwatch.GetTimestamp()
            + microseconds * System.Diagnostics.Stopwatch.Frequency / 1_000_000;
        while (System.Diagnostics.Stopwatch.GetTimestamp() < until)
            Thread.SpinWait(20);
    }
}
