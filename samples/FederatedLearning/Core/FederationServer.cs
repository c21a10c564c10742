using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Results;
using FederatedLearning.Server;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging;

namespace FederatedLearning;

/// <summary>
/// The unified server: one core, and a handler per protocol. Start it, await <see cref="Completion"/>, stop it.
/// </summary>
public sealed class FederationServer : IFederationStatus, IAsyncDisposable
{
    private readonly FederationLoop _loop;
    private readonly IReadOnlyList<IProtocolHandler> _handlers;
    private readonly ModelConfig _config;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Task<TrainingResult> _completion;
    private readonly Lock _lock = new();

    private Task? _running;
    private Task? _stopping;

    /// <summary>Puts a server together; nothing runs yet.</summary>
    /// <param name="settings">The core's settings.</param>
    /// <param name="initial">The untrained model: round 0.</param>
    /// <param name="config">How clients build it.</param>
    /// <param name="handlers">The protocols, each name once. The server starts and stops them, but does not dispose
    /// them.</param>
    /// <param name="time">The clock; <see cref="TimeProvider.System"/> outside of tests.</param>
    /// <param name="log">Where it writes its log lines.</param>
    public FederationServer(
        FederationSettings settings,
        ModelWeights initial,
        ModelConfig config,
        IReadOnlyList<IProtocolHandler> handlers,
        TimeProvider time,
        ILogger<FederationServer> log)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(initial);
        ArgumentNullException.ThrowIfNull(handlers);
        if (handlers.Select(handler => handler.Name).Distinct().Count() != handlers.Count)
            throw new ArgumentException("Two handlers have the same name.", nameof(handlers));
        _loop = new FederationLoop(settings, initial, config, [.. handlers.Select(handler => handler.Name)], time, log);
        _handlers = handlers;
        _config = config;
        _time = time;
        _log = log;
        _completion = ToResultAsync();
    }

    /// <inheritdoc/>
    public FederationSnapshot Snapshot => _loop.Snapshot;

    /// <summary>
    /// Ends when the training has. <c>training_complete</c> is then in the handlers' queues; <see cref="StopAsync"/>
    /// has it sent.
    /// </summary>
    public Task<TrainingResult> Completion => _completion;

    /// <inheritdoc/>
    public ValueTask<FederationSnapshot> ChangedAsync(long seen, CancellationToken cancellationToken = default)
        => _loop.ChangedAsync(seen, cancellationToken);

    /// <summary>
    /// Starts the core and then every handler. When one cannot start, those that have are stopped again.
    /// </summary>
    /// <exception cref="InvalidOperationException">It was started before.</exception>
    public async Task StartAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (_running is not null || _stopping is not null)
                throw new InvalidOperationException("A server is started once.");
            _running = Task.Run(_loop.RunAsync, CancellationToken.None);
        }
        try
        {
            for (int i = 0; i < _handlers.Count; i++)
            {
                var context = new HandlerContext(new FederationPort(_loop, i), _loop.QueueOf(
                    i))
                { Traffic = _loop.TrafficOf(i) };
                await _handlers[i].StartAsync(context, cancellationToken);
                _log.HandlerStarted(_handlers[i].Name);
            }
        }
        catch
        {
            await StopAsync(cancellationToken);
            throw;
        }
    }

    /// <summary>
    /// Stops in order: a training that runs ends as stopped; the queues are completed; the handlers send what is in
    /// them and end; the core ends.
    /// </summary>
    /// <param name="cancellationToken">The end of the handlers' patience.</param>
    public Task StopAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock) return _stopping ??= StopOnceAsync(cancellationToken);
    }

    /// <summary>Stops with a patience of 5 seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5), _time);
        await StopAsync(patience.Token);
    }

    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        var running = _running ??= Task.Run(_loop.RunAsync, CancellationToken.None);
        await _loop.AskAsync(new FederationCommand.Stop(), CancellationToken.None);
        _loop.CompleteQueues();
        await Task.WhenAll(_handlers.Select(handler => StopHandlerAsync(handler, cancellationToken)));
        _loop.Complete();
        await running;
    }

    // One that fails to stop does not keep the others from it.
    private async Task StopHandlerAsync(IProtocolHandler handler, CancellationToken cancellationToken)
    {
        try
        {
            await handler.StopAsync(cancellationToken);
            _log.HandlerStopped(handler.Name);
        }
        catch (Exception error)
        {
            _log.HandlerStopFailed(error, handler.Name);
        }
    }

    private async Task<TrainingResult> ToResultAsync()
    {
        var reason = await _loop.Completion;
        var snapshot = _loop.Snapshot;
        var duration = snapshot.StartedAt is { } started ? _time.GetUtcNow() - started : TimeSpan.Zero;
        return new TrainingResult(reason, _loop.Model, _config, snapshot.Rounds, snapshot.Counts, duration);
    }
}
