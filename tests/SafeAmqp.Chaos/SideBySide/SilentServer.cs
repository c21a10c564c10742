using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>F2: something listens, accepts, and never says a word.</summary>
internal static class SilentServer
{
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(10);

    internal static Comparison Comparison { get; } = new("F2", "connect to a server that accepts and keeps "
        + "silent, time-outs of 2 s", () => Isolated.RunAsync("F2", 0), SafeAsync);

    internal static async Task<Column> RawAsync()
    {
        using TcpListener listener = Listen(out int port);
        Task<IConnection> connecting = Bench.Factory(port, connect: ConnectTimeout).CreateConnectionAsync();
        return await TimedAsync(connecting);
    }

    private static async Task<Column> SafeAsync()
    {
        using TcpListener listener = Listen(out int port);
        AmqpClientOptions options = Bench.Options(port);
        (options.ConnectTimeout, options.FirstConnect) = (ConnectTimeout, AmqpFirstConnect.FailFast);
        return await TimedAsync(AmqpClient.ConnectAsync(options));
    }

    private static async Task<Column> TimedAsync(Task connecting)
    {
        long start = Stopwatch.GetTimestamp();
        await Task.WhenAny(connecting, Task.Delay(Patience));
        TimeSpan took = Stopwatch.GetElapsedTime(start);
        if (!connecting.IsCompleted)
        {
            _ = connecting.ContinueWith(done => _ = done.Exception, TaskScheduler.Default);
            return new Column($"not back after {took.TotalSeconds:0} s", Held: false);
        }
        return new Column(
            $"back after {took.TotalSeconds:0.00} s with {connecting.Exception?.InnerException?.GetType().Name}",
            took < ConnectTimeout + TimeSpan.FromSeconds(1));
    }

    private static TcpListener Listen(out int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(); // the system accepts; nothing reads
        port = ((IPEndPoint)listener.LocalEndpoint).Port;
        return listener;
    }
}
