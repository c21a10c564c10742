using System.Diagnostics;
using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>F3: the link goes silent while writes are under way.</summary>
internal static class HalfOpen
{
    private const int Messages = 400, Size = 64 << 10;
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(4), Patience = TimeSpan.FromSeconds(15);

    internal static Comparison On(Bench bench) => new(
        "F3", $"half-open link, heartbeat 4 s, {Messages} publishes of 64 KiB under way",
        () => Isolated.RunAsync("F3", bench.Port), () => SafeAsync(bench));

    internal static async Task<Column> RawAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        IConnection connection = await Bench.Factory(bench.Proxy.Port, Heartbeat).CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync(Bench.Confirming);
        bool noticed = false;
        connection.ConnectionShutdownAsync += (_, _) => Task.FromResult(noticed = true);
        bench.Proxy.FreezeOpenConnections();
        long start = Stopwatch.GetTimestamp();
        Task[] publishes = [.. Enumerable.Range(0, Messages).Select(
            number => channel.BasicPublishAsync("", queue, mandatory: true, Bodies.Make(0, number, Size)).AsTask())];
        while (Stopwatch.GetElapsedTime(start) < Patience && !noticed)
            await Task.Delay(20);
        string after = $"{publishes.Count(publish => !publish.IsCompleted)} of {Messages} pending "
            + $"and {(noticed ? "a" : "no")} shutdown event after {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s";
        bench.Proxy.ResetFrozen();
        Bench.Abandon(connection);
        foreach (Task publish in publishes)
            _ = publish.ContinueWith(done => _ = done.Exception, TaskScheduler.Default);
        return new Column(after, noticed);
    }

    private static async Task<Column> SafeAsync(Bench bench)
    {
        string queue = await Bench.QueueAsync(bench.Port);
        AmqpClientOptions options = Bench.Options(bench.Proxy.Port);
        options.Heartbeat = Heartbeat;
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(options);
        var history = new History(1, Messages);
        bench.Proxy.FreezeOpenConnections();
        long start = Stopwatch.GetTimestamp();
        Task<Ending>[] publishes = [
            .. Enumerable.Range(0, Messages).Select(number => history.PublishAsync(amqp, queue, 0, number, Size))];
        Ending first = await (await Task.WhenAny(publishes).WaitAsync(Patience));
        double noticed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await Task.WhenAll(publishes).WaitAsync(Patience);
        double all = Stopwatch.GetElapsedTime(start).TotalSeconds;
        bench.Proxy.ResetFrozen();
        return new Column($"noticed after {noticed:0.00} s; {history.Count(Ending.Unknown)} "
            + $"unknown, {history.Count(Ending.Confirmed)} sent over a new link and confirmed by {all:0.00} s",
            first == Ending.Unknown && noticed < 1.5 * Heartbeat.TotalSeconds + 1
                && history.Count(Ending.Unknown) + history.Count(Ending.Confirmed) == Messages);
    }
}
