[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.Telemetry.Tests.Support;

/// <summary>A client on an embedded broker, and what there is to hear of it.</summary>
public abstract class TelemetryTest : IAsyncLifetime
{
    private readonly List<IAsyncDisposable> _made = [];

    private protected AmqpTestBroker Broker { get; private set; } = null!;

    internal TestMeters Meters { get; } = new();

    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => Broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);

    public async ValueTask DisposeAsync()
    {
        foreach (IAsyncDisposable made in _made.AsEnumerable().Reverse())
            await made.DisposeAsync();
        await Broker.DisposeAsync();
        Meters.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected async Task<AmqpClient> ConnectAsync(Action<AmqpClientOptions>? configure = null)
    {
        var options = new AmqpClientOptions
        {
            Uri = Broker.Uri.ToString(),
            ClientName = "tested",
            ShutdownTimeout = TimeSpan.FromSeconds(2)
        };
        options.Telemetry.MeterFactory = Meters;
        configure?.Invoke(options);
        AmqpClient amqp = await AmqpClient.ConnectAsync(options, Cancelled);
        _made.Add(amqp);
        return amqp;
    }

    private protected static Task DeclareAsync(IAmqpClient amqp, string queue)
        => amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue }), Cancelled);

    /// <summary>Has the broker block publishing, of which it tells a connection that publishes.</summary>
    private protected async Task BlockAsync(AmqpClient amqp)
    {
        Broker.Block();
        // Without a body it is still taken in. Not within the time that the test may have set for what it publishes
        await amqp.PublishAsync(new AmqpMessage { Exchange = "amq.fanout", Mandatory = false },
            TimeSpan.FromSeconds(30), Cancelled);
        await UntilAsync(() => amqp.Status.Links[0].BlockedReason is not null);
    }

    /// <summary>Waits for a condition; fails after a time that only a broken program takes.</summary>
    private protected static async Task UntilAsync(Func<bool> condition)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), "It did not come to that.");
            await Task.Delay(5, Cancelled);
        }
    }
}
