using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Hosting;

/// <summary>Brings up what a client's builder collected: the connection, every topology once, then consumers and servers. What is refused
/// stays behind and is tried again beside the rest.</summary>
internal sealed class StartUp
{
    private readonly StartUpStep _connection;
    private readonly StartUpStep[] _topologies;
    private readonly StartUpStep[] _workers;
    private readonly ConcurrentQueue<(string What, IAsyncDisposable Subscription)> _running = new();

    internal StartUp(IServiceProvider services, ClientRegistration registration, IAmqpClient client, TimeProvider time, ILogger logger)
    {
        var scopes = services.GetRequiredService<IServiceScopeFactory>();
        _connection = Step("connection", stop => registration.Connection.OpenAsync(client, stop));
        var topologies = registration.Topologies.ConvertAll(make => make(services));
        _topologies = [.. topologies.Select((topology, index) => Step(topologies.Count == 1 ? "topology" : $"topology {index + 1}",
            stop => client.DeclareAsync(topology, stop)))];
        _workers = [.. registration.Workers.Select(worker => Step(worker.What, async stop =>
            _running.Enqueue((worker.What, await worker.StartAsync(scopes, client, stop).ConfigureAwait(false)))))];

        StartUpStep Step(string what, Func<CancellationToken, ValueTask> bringUp)
            => new(what, registration.DisplayName, bringUp, time, logger);
    }

    /// <summary>What does not stand yet.</summary>
    internal IEnumerable<StartUpStep> Missing => _topologies.Concat(_workers).Where(step => !step.Stands);

    internal int Topologies => _topologies.Length;
    internal int Workers => _workers.Length;

    /// <summary>Connects and tries each topology once, in the order in which they were added: one may name what another declares.</summary>
    internal async Task DeclareAsync(CancellationToken stop)
    {
        await _connection.UntilItStandsAsync(stop).ConfigureAwait(false);
        foreach (var topology in _topologies)
            await topology.TryAsync(stop).ConfigureAwait(false);
    }

    /// <summary>Brings up the rest, all at once, so that none waits for another that is refused.</summary>
    internal Task FinishAsync(CancellationToken stop)
        => Task.WhenAll(_topologies.Concat(_workers).Select(step => step.UntilItStandsAsync(stop)));

    /// <summary>Takes the consumers and servers that run, to stop them.</summary>
    internal IReadOnlyList<(string What, IAsyncDisposable Subscription)> TakeRunning()
    {
        var taken = new List<(string, IAsyncDisposable)>();
        while (_running.TryDequeue(out var running))
            taken.Add(running);
        return taken;
    }
}
