using SafeAmqp.Chaos.Checking;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// One client of the run. It can be disposed under load and replaced: each use takes the current one.
/// </summary>
internal sealed class Party(
    string name, Func<AmqpClientOptions> options, Witnesses witnesses, Func<AmqpClient, Task> begin)
{
    private volatile AmqpClient? _client;

    internal string Name => name;

    internal AmqpClient Client => _client ?? throw new InvalidOperationException($"{name} was not started.");

    internal bool IsReady => _client is { Status.IsReady: true } client
        && client.Status.Links.All(link => link.Consumers.All(consumer => consumer.State == AmqpConsumerState.Live));

    internal async Task StartAsync()
    {
        AmqpClientOptions made = options();
        made.LoggerFactory = new ClientLog(name, witnesses);
        made.ClientName = name;
        var client = new AmqpClient(made);
        _client = client;
        await client.OpenAsync();
        await begin(client);
    }

    /// <summary>Disposes the client whatever it does.</summary>
    internal async Task EndAsync(LagProbe lag)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        double before = witnesses.Recorder.Now;
        await Client.DisposeAsync();
        witnesses.Recorder.Record(new HistoryEvent
        {
            What = What.Disposed,
            Text = name,
            Value = Math.Round(witnesses.Recorder.Now - before, 1),
            Number = (int)lag.WorstSince(start) + 250,
        });
    }
}
