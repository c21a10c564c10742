using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Hosting;

/// <summary>Ties a client to the host's life. Connecting and declaring begin before any hosted service starts and the
/// client is disposed after all of them have stopped, so that all may publish; handlers run only in between, as they
/// may need what other services set up.</summary>
internal sealed class AmqpHostedService : IHostedLifecycleService, IAsyncDisposable
{
    private readonly IServiceProvider _services;
    private readonly ClientRegistration _registration;
    private readonly IAmqpClient _client;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly IHostApplicationLifetime? _lifetime;
    private readonly bool _waitForConnection;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationToken _stopToken; // outlives its source

    private volatile StartUp? _startUp;
    private volatile bool _stopping;
    private bool _hasLifecycle;
    private Task _declared = Task.CompletedTask;
    private Task _finished = Task.CompletedTask;
    private Task? _drained;
    private Task? _disposed;

    internal AmqpHostedService(IServiceProvider services, ClientRegistration registration)
    {
        var options = registration.ReadOptions(services);
        _stopToken = _stop.Token;
        _services = services;
        _registration = registration;
        _client = services.GetRequiredKeyedService<IAmqpClient>(registration.Key);
        _lifetime = services.GetService<IHostApplicationLifetime>();
        _time = options.TimeProvider;
        _logger = new GuardedLogger(options.LoggerFactory.CreateLogger(HostingLog.Category));
        _waitForConnection = registration.WaitForConnection ?? options.FirstConnect == AmqpFirstConnect.FailFast;
    }

    /// <summary>What was added on the builder and is not ready yet, in words.</summary>
    internal IReadOnlyList<string> Missing
        => _startUp is { } startUp ? [.. startUp.Missing.Select(step => step.ToString())] : [];

    /// <summary>Whether the host stops: links that are closed from here on are meant to be.</summary>
    internal bool IsStopping => _stopping;

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _hasLifecycle = true;
        Begin();
        return Task.CompletedTask;
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await ProbeHandlersAsync().ConfigureAwait(false);
        StartUp startUp = _startUp ?? Begin();
        try
        {
            if (_waitForConnection)
            {
                await _registration.OpenAsync(_client, cancellationToken).ConfigureAwait(false);
                await _declared.WaitOrLeaveAsync(cancellationToken).ConfigureAwait(false);
            }
            else if (startUp.Topologies > 0)
            {
                await WaitForTopologyAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_lifetime?.ApplicationStopping.IsCancellationRequested == true)
        {
            return; // the host was stopped while it started, which is no failure
        }
        if (!_hasLifecycle) // a host that knows only StartAsync and StopAsync
            await BeginFinish(startUp).ConfigureAwait(false);
    }

    public Task StartedAsync(CancellationToken cancellationToken)
        => _startUp is { } startUp ? BeginFinish(startUp) : Task.CompletedTask;

    // A host may be stopped twice at once: by its user, and by the program's end that this brings about.
    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
            return _drained ??= DrainAsync(cancellationToken).Shared();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_hasLifecycle)
            return;
        await StoppingAsync(cancellationToken).ConfigureAwait(false);
        await StoppedAsync(cancellationToken).ConfigureAwait(false);
    }

    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
            return _disposed ??= DisposeClientAsync(cancellationToken).Shared();
    }

    /// <summary>The container's: the same phases for a host whose start failed, nothing for one that was
    /// stopped.</summary>
    public async ValueTask DisposeAsync()
    {
        await StoppingAsync(CancellationToken.None).ConfigureAwait(false);
        await StoppedAsync(CancellationToken.None).ConfigureAwait(false);
        _stop.Dispose();
    }

    // Services that start before this one may publish, and their publishes wait for the topology.
    private StartUp Begin()
    {
        var startUp = _startUp = new StartUp(_services, _registration, _client, _time, _logger);
        HostingLog.Starting(_logger, _registration.DisplayName, startUp.Topologies, startUp.Workers);
        (_client as AmqpClient)?.Start();
        _declared = startUp.DeclareAsync(_stopToken);
        _declared.Forget(); // the start may fail before anything waits for it
        return startUp;
    }

    // So that the first publish finds what it is for; but a host starts without its broker all the same.
    private async Task WaitForTopologyAsync(CancellationToken cancellationToken)
    {
        await _declared.WaitAsync(_registration.TopologyTimeout, _time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        if (_declared.Exception?.InnerException is { } fault && NeverSucceeds(fault))
            await _declared.ConfigureAwait(false);
        if (!_declared.IsCompleted)
            HostingLog.TopologyLate(_logger, _registration.DisplayName, _registration.TopologyTimeout);
    }

    private async Task ProbeHandlersAsync()
    {
        var scope = _services.CreateAsyncScope();
        await using var _ = scope.ConfigureAwait(false);
        foreach (var worker in _registration.Workers)
            worker.Probe?.Invoke(scope.ServiceProvider);
    }

    // What is found at once fails the host's start. What is found later stops the host.
    private Task BeginFinish(StartUp startUp)
    {
        _finished = FinishAsync(startUp);
        return _finished.IsFaulted ? _finished : Task.CompletedTask;
    }

    // Also where the client's own thread has ended.
    private bool NeverSucceeds(Exception fault)
        => StartUpStep.NeverSucceeds(fault)
            || (fault is ObjectDisposedException && _client is AmqpClient { IsDisposed: false });

    private async Task FinishAsync(StartUp startUp)
    {
        try
        {
            await _declared.ConfigureAwait(false);
            await startUp.FinishAsync(_stopToken).ConfigureAwait(false);
        }
        catch (Exception) when (_stopToken.IsCancellationRequested)
        {
            // The host is stopping, and stops what is ready by now.
        }
        catch (Exception fault) when (NeverSucceeds(fault))
        {
            HostingLog.NeverStarts(_logger, _registration.DisplayName, fault);
            _lifetime?.StopApplication();
            throw;
        }
        catch (Exception fault)
        {
            HostingLog.StartUpEnded(_logger, _registration.DisplayName, fault);
        }
    }

    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        _stopping = true;
        await _stop.CancelAsync().ConfigureAwait(false);
        if (_startUp is not { } startUp)
            return;
        using var timeout = new CancellationTokenSource(_registration.DrainTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);

        // First the end of starting, so that nothing new appears behind the stopping.
        await EndsAsync(Task.WhenAll(_declared, _finished), both.Token).ConfigureAwait(false);
        var running = startUp.TakeRunning();
        if (running.Count == 0)
            return;
        HostingLog.Draining(_logger, _registration.DisplayName, running.Count, _registration.DrainTimeout);
        await Task.WhenAll(running.Select(worker => DrainAsync(worker.What, worker.Subscription,
            both.Token))).ConfigureAwait(false);
    }

    private async Task DrainAsync(string what, IAsyncDisposable subscription, CancellationToken cancellationToken)
    {
        try
        {
            var stopped = subscription.DisposeAsync().AsTask();
            if (await EndsAsync(stopped, cancellationToken).ConfigureAwait(false))
                await stopped.ConfigureAwait(false);
            else
                HostingLog.NotDrained(_logger, _registration.DisplayName, what);
        }
        catch (Exception fault)
        {
            HostingLog.StopFailed(_logger, _registration.DisplayName, what, fault);
        }
    }

    private async Task DisposeClientAsync(CancellationToken cancellationToken)
    {
        try
        {
            var disposed = _client.DisposeAsync().AsTask();
            if (!await EndsAsync(disposed, cancellationToken).ConfigureAwait(false))
            {
                HostingLog.NotDisposed(_logger, _registration.DisplayName);
                return;
            }
            await disposed.ConfigureAwait(false);
            HostingLog.Disposed(_logger, _registration.DisplayName);
        }
        catch (Exception fault)
        {
            HostingLog.StopFailed(_logger, _registration.DisplayName, "the client", fault);
        }
    }

    /// <summary>Whether the task ends before the token is cancelled; how it ends is for the caller to see.</summary>
    private static async Task<bool> EndsAsync(Task task, CancellationToken cancellationToken)
    {
        await task.WaitOrLeaveAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return task.IsCompleted;
    }
}
