using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Hosting;

/// <summary>Brings up what a client's builder collected: the connection, every topology once, then consumers and
/// servers. What is refused stays behind and is tried again beside the rest.</summary>
internal sealed class StartUp
{
    private readonly StartUpStep _connection;
    private readonly StartUpStep[] _topologies;
    private readonly StartUpStep[] _workers;
    private readonly ConcurrentQueue<(string What, IAsyncDisposable Subscription)> _running = new();

    internal StartUp(IServiceProvider services, ClientRegistration registration, IAmqpClient client, TimeProvider time,
        ILogger logger)
    {
        var scopes = services.GetRequiredService<IServiceScopeFactory>();
        _connection = Step("connection", stop => registration.OpenAsync(client, stop));
        var topologies = registration.Topologies.ConvertAll(make => make(services));
        _topologies = [.. topologies.Select((topology, index) =>
        {
            // Publishes that it could route wait from here on, although there may be no connection yet
            Action? begun = (client as AmqpClient)?.Expect(topology);
            return Step(topologies.Count == 1 ? "topology" : $"topology {index + 1}", stop =>
            {
                Task declaring = client.DeclareAsync(topology, stop);
                begun?.Invoke();
                return declaring;
            });
        })];
        _workers = [.. registration.Workers.Select(worker => Step(worker.What, async stop =>
            _running.Enqueue((worker.What, await worker.StartAsync(scopes, client, stop).ConfigureAwait(false)))))];

        StartUpStep Step(string what, Func<CancellationToken, Task> bringUp)
            => new(what, registration.DisplayName, bringUp, time, logger);
    }

    /// <summary>What is not ready yet.</summary>
    internal IEnumerable<StartUpStep> Missing => _topologies.Concat(_workers).Where(step => !step.IsReady);

    internal int Topologies => _topologies.Length;
    internal int Workers => _workers.Length;

    /// <summary>Connects and tries each topology once, in the order in which they were added: one may name what another
    /// declares.</summary>
    internal async Task DeclareAsync(CancellationToken stop)
    {
        await _connection.RunUntilReadyAsync(stop).ConfigureAwait(false);
        foreach (var topology in _topologies)
            await topology.TryAsync(stop).ConfigureAwait(false);
    }

    /// <summary>Brings up the rest, all at once, so that none waits for another that is refused. Ends with the first
    /// that can never succeed.</summary>
    internal async Task FinishAsync(CancellationToken stop)
    {
        Task[] steps = [.. _topologies.Concat(_workers).Select(step => step.RunUntilReadyAsync(stop))];
        foreach (Task step in steps)
            step.Forget();
        await foreach (Task step in Task.WhenEach(steps).ConfigureAwait(false))
            await step.ConfigureAwait(false);
    }

    /// <summary>Takes the consumers and servers that run, to stop them.</summary>
    internal IReadOnlyList<(string What, IAsyncDisposable Subscription)> TakeRunning()
    {
        var taken = new List<(string, IAsyncDisposable)>();
        while (_running.TryDequeue(out var running))
            taken.Add(running);
        return taken;
    }
}

/// <summary>One thing that the host starts, and retries until it succeeds: a connection, a topology, a consumer, a
/// server.</summary>
internal sealed class StartUpStep(string what, string client, Func<CancellationToken, Task> bringUp,
    TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    // Each try costs the client a connection, and with it what others have in flight.
    private static readonly TimeSpan CostlyDelay = TimeSpan.FromMinutes(5);

    private int _attempts;
    private volatile bool _isReady;
    private volatile string? _lastError;
    private volatile bool _isCostly;

    internal string What => what;
    internal bool IsReady => _isReady;

    /// <summary>Says why it is not ready yet.</summary>
    public override string ToString()
        => _lastError is { } error ? $"{what} is not ready: {error}" : $"{what} is not started yet";

    /// <summary>Whether something fails in the same way however often it is tried: an argument that is not valid, a
    /// part of the program that is missing.</summary>
    internal static bool NeverSucceeds(Exception fault)
        => fault is ArgumentException or NotSupportedException or FileNotFoundException or FileLoadException
            or BadImageFormatException or TypeLoadException or MissingMemberException or TypeInitializationException;

    /// <summary>Tries once. A failure is logged and kept; only cancellation, a disposed client and what can never
    /// succeed are thrown.</summary>
    internal async Task TryAsync(CancellationToken stop)
    {
        _attempts++;
        try
        {
            await bringUp(stop).ConfigureAwait(false);
            _lastError = null;
            _isReady = true;
            HostingLog.StepReady(logger, client, what, _attempts);
        }
        catch (Exception fault) when (!stop.IsCancellationRequested && fault is not ObjectDisposedException)
        {
            _lastError = fault.Message;
            _isCostly = fault is AmqpTopologyException { EndedConnection: true };
            if (NeverSucceeds(fault))
                throw;
            HostingLog.StepFailed(logger, client, what, _attempts, Delay(_attempts), fault);
        }
    }

    /// <summary>Tries until it succeeds, with a wait after each failure.</summary>
    internal async Task RunUntilReadyAsync(CancellationToken stop)
    {
        while (!_isReady)
        {
            if (_attempts > 0)
                await Task.Delay(Delay(_attempts), time, stop).ConfigureAwait(false);
            await TryAsync(stop).ConfigureAwait(false);
        }
    }

    // No jitter: the links have theirs, and each try is one small request on an open connection.
    private TimeSpan Delay(int attempts)
        => _isCostly ? CostlyDelay
            : TimeSpan.FromTicks(Math.Min(FirstDelay.Ticks << Math.Min(attempts - 1, 16), LongestDelay.Ticks));
}
