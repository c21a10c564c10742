using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>
/// AMQP for the unified server. It owns one client of SafeAmqp, that is two connections, one to send and one to
/// receive, each with its own thread. A client that registers through <c>fl_client_updates</c> is served by broadcast,
/// one that registers on <c>fl_client_register</c> by queues of its own; both kinds may train together.
/// </summary>
public sealed partial class AmqpProtocolHandler : IProtocolHandler
{
    /// <summary>The protocol's name.</summary>
    public const string ProtocolName = "amqp";

    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly AmqpNames _names;
    private readonly ClientWays<AmqpWay> _clients = new();
    private readonly AmqpClient _amqp;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _givenUp = new();
    private readonly Lock _lock = new();
    private readonly List<AmqpSubscription> _consumers = [];

    private IFederation? _federation;
    private OutgoingQueue? _outgoing;
    private ProtocolTraffic? _traffic;
    private Task _receiving = Task.CompletedTask;
    private Task _sending = Task.CompletedTask;
    private Task? _stopped;

    /// <summary>Makes the handler; nothing is connected yet.</summary>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ArgumentException">A setting is not valid.</exception>
    public AmqpProtocolHandler(AmqpSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _names = new AmqpNames(settings);
        _amqp = new AmqpClient(settings.ClientOptions("fl-server", loggers));
        _log = loggers.CreateLogger<AmqpProtocolHandler>();
        _time = time ?? TimeProvider.System;
    }

    /// <inheritdoc/>
    public string Name => ProtocolName;

    /// <summary>Both connections, from memory.</summary>
    public AmqpClientStatus Status => _amqp.Status;

    /// <inheritdoc/>
    public Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        (_federation, _outgoing, _traffic) = (context.Federation, context.Outgoing, context.Traffic);
        _traffic.CountReconnectsBy(() => _amqp.Status.Links.Sum(link => Math.Max(0L, link.Epoch - 1)));
        _receiving = Task.Run(ReceiveAsync, CancellationToken.None);
        _sending = Task.Run(SendAllAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
            return _stopped ??= StopOnceAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(StopPatience, _time);
        // One that was never started has a queue that nobody completes: there is nothing to send.
        if (_outgoing is null)
            await _givenUp.CancelAsync();
        await StopAsync(patience.Token);
    }

    // First nothing more comes in, then what waits goes out, then the connections close.
    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await using var giveUp = cancellationToken.Register(_givenUp.Cancel);
        await _receiving;
        AmqpSubscription[] consumers;
        lock (_lock)
            consumers = [.. _consumers];
        await Task.WhenAll(consumers.Concat(_clients.Clear().SelectMany(client => client.Value.Consumers))
            .Select(consumer => consumer.DisposeAsync().AsTask()));
        await _sending;
        await _amqp.DisposeAsync();
        _log.ServerStopped();
    }
}
