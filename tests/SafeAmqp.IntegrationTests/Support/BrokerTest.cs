using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using LocalBroker;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// What every test against the broker needs: clients with names of their own, queues with names of their own, bounded
/// waits.
/// </summary>
public abstract class BrokerTest(TestBroker broker) : IAsyncLifetime
{
    /// <summary>No wait in a test is longer: a test that hangs fails and says where.</summary>
    protected static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    /// <summary>What the numbers of a storm are multiplied by: 1, or as <c>SAFEAMQP_TEST_VOLUME</c> says.</summary>
    protected static readonly int Volume = Environment.GetEnvironmentVariable(
        "SAFEAMQP_TEST_VOLUME") is { Length: > 0 } volume
        ? int.Parse(volume, CultureInfo.InvariantCulture)
        : 1;

    private readonly ConcurrentBag<IAsyncDisposable> _clients = [];
    private readonly ConcurrentBag<string> _named = [];
    private readonly string _id = Guid.NewGuid().ToString("N")[..8];
    private int _names;

    protected TestBroker Broker => broker;

    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public virtual async ValueTask DisposeAsync()
    {
        foreach (IAsyncDisposable client in _clients)
            await client.DisposeAsync();
        await Broker.RemoveAsync(_named);
        GC.SuppressFinalize(this);
    }

    /// <summary>A name that no other test uses. A queue or exchange of that name goes with the test.</summary>
    protected string NewName([CallerMemberName] string test = "")
        => Named($"{test[..Math.Min(60, test.Length)]}.{_id}.{Interlocked.Increment(ref _names)}");

    /// <summary>A queue or exchange of this name, which another one gave it, goes with the test too.</summary>
    protected string Named(string name)
    {
        _named.Add(name);
        return name;
    }

    /// <summary>A client whose links are open. Disposed at the end of the test.</summary>
    protected async Task<AmqpClient> ConnectAsync(Action<AmqpClientOptions>? configure = null)
    {
        AmqpClient client = NewClient(configure);
        await client.OpenAsync(Cancelled).WaitAsync(Limit, Cancelled);
        return client;
    }

    /// <summary>A client that has not connected. Disposed at the end of the test.</summary>
    protected AmqpClient NewClient(Action<AmqpClientOptions>? configure = null)
    {
        var options = new AmqpClientOptions
        {
            Uri = Broker.Uri,
            ClientName = $"test-{_id}",
            ShutdownTimeout = TimeSpan.FromSeconds(1)
        };
        configure?.Invoke(options);
        var client = new AmqpClient(options);
        _clients.Add(client);
        return client;
    }

    /// <summary>A durable queue that only this test uses.</summary>
    protected async Task<string> NewQueueAsync(IAmqpClient client, [CallerMemberName] string test = "")
    {
        string queue = NewName(test);
        await client.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        return queue;
    }

    /// <summary>
    /// The broker's connections of this test's clients: <c>send</c>, <c>receive</c> or <c>shared</c> links.
    /// </summary>
    protected async Task<IReadOnlyList<BrokerConnection>> ConnectionsAsync(string link = "")
        => [.. (await Broker.Node.ListConnectionsAsync(Cancelled))
            .Where(connection => connection.Name.StartsWith($"test-{_id}:{link}", StringComparison.Ordinal))];

    /// <summary>Has the broker close the connection of one link.</summary>
    protected async Task KillAsync(string link)
    {
        IReadOnlyList<BrokerConnection> found = await UntilAsync(
            async () => await ConnectionsAsync(link), connections => connections.Count > 0);
        foreach (BrokerConnection connection in found)
            await Broker.Node.CloseConnectionAsync(connection, "test", Cancelled);
    }

    /// <summary>Waits for a condition, looking again and again, at most for <see cref="Limit"/>.</summary>
    protected static async Task UntilAsync(
        Func<bool> condition, string? what = null, [CallerArgumentExpression(nameof(condition))] string expression = "")
        => await UntilAsync(() => Task.FromResult(condition()), value => value, what ?? expression);

    protected static async Task<T> UntilAsync<T>(
        Func<Task<T>> look, Func<T, bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            T value = await look();
            if (condition(value))
                return value;
            if (TimeProvider.System.GetElapsedTime(start) > Limit)
                Assert.Fail($"Not within {Limit.TotalSeconds} s: {what}");
            await Task.Delay(10, Cancelled);
        }
    }
}
