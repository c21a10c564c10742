using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>
/// F7: a publish is given up on while the way to the broker stands still, a newer one goes over a new connection, then
/// the old bytes arrive.
/// </summary>
internal static class LateArrival
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(1);

    internal static Comparison On(Bench bench) => new("F7",
        "publish 1 is given up after 1 s on a link that stands still, publish 2 goes over a new link, then 1 lands",
        () => Isolated.RunAsync("F7", bench.Port), () => SafeAsync(bench));

    internal static async Task<Column> RawAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        IConnection old = await Bench.Factory(bench.Proxy.Port).CreateConnectionAsync();
        IChannel channel = await old.CreateChannelAsync(Bench.Confirming);
        bench.Proxy.FreezeOpenConnections();
        string end = "confirmed";
        try
        {
            using var deadline = new CancellationTokenSource(Deadline);
            await channel.BasicPublishAsync("", queue, mandatory: true, Bodies.Make(0, 1, 16), deadline.Token);
        }
        catch (OperationCanceledException)
        {
            end = "cancelled";
        }
        await using (IConnection next = await Bench.Factory(bench.Proxy.Port).CreateConnectionAsync())
        {
            await using IChannel another = await next.CreateChannelAsync(Bench.Confirming);
            await another.BasicPublishAsync("", queue, mandatory: true, Bodies.Make(0, 2, 16));
        }
        int[] arrived = await ThawAsync(bench, queue);
        Bench.Abandon(old);
        return new Column(
            $"1 ended as {end}, 2 as confirmed; the queue holds {string.Join(", ", arrived)}",
            end != "cancelled" || !arrived.Contains(1));
    }

    private static async Task<Column> SafeAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        AmqpClientOptions options = Bench.Options(bench.Proxy.Port);
        (options.PublishTimeout, options.Heartbeat) = (Deadline, TimeSpan.FromSeconds(2));
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(options);
        var history = new History(1, 100);
        bench.Proxy.FreezeOpenConnections();
        Ending first = await history.PublishAsync(amqp, queue, 0, 1);
        // The watchdog finds the link dead; until then what is published ends as not sent or unknown, and says so.
        int number = 2;
        while (await history.PublishAsync(amqp, queue, 0, number) != Ending.Confirmed && number < 20)
            number++;
        int[] arrived = await ThawAsync(bench, queue);
        foreach (int taken in arrived)
            history.Delivered(0, taken, redelivered: false);
        IReadOnlyList<Violation> found = history.Violations();
        return new Column(
            $"1 ended as {first.ToString().ToLowerInvariant()}, {number} as confirmed; the queue "
                + $"holds {string.Join(", ", arrived)}; {found.Count} promises broken",
            first == Ending.Unknown && found.Count == 0);
    }

    private static async Task<int[]> ThawAsync(Bench bench, string queue)
    {
        bench.Proxy.Thaw();
        var arrived = new List<int>();
        // The old bytes arrive within a moment or never.
        long start = TimeProvider.System.GetTimestamp();
        while (!arrived.Contains(1) && TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(3))
        {
            arrived.AddRange((await Bench.TakeAllAsync(bench.Port, queue)).Select(message => message.Number));
            await Task.Delay(50);
        }
        return [.. arrived];
    }
}
