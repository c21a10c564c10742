using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>
/// AMQP for the unified server. It owns one client of SafeAmqp, that is two connections, one to send and one to
/// receive, each with its own thread. A client that registers through <c>fl_client_updates</c> is served by broadcast,
/// one that registers on <c>fl_client_register</c> by queues of its own; both kinds may train together.
/// </summary>
public sealed partial class AmqpProtocolHandler : ProtocolHandler
{
    /// <summary>The protocol's name.</summary>
    public const string ProtocolName = "amqp";

    internal const string Title = "AMQP";

    private readonly AmqpNames _names;
    private readonly ClientWays<AmqpWay> _clients = new();
    private readonly AmqpClient _amqp;
    private readonly Lock _lock = new();
    private readonly List<AmqpSubscription> _consumers = [];

    private Task _receiving = Task.CompletedTask;

    /// <summary>Makes the handler; nothing is connected yet.</summary>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ArgumentException">A setting is not valid.</exception>
    public AmqpProtocolHandler(AmqpSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
        : base(ProtocolName, Title, loggers.CreateLogger<AmqpProtocolHandler>(), time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _names = new AmqpNames(settings);
        _amqp = new AmqpClient(settings.ClientOptions("fl-server", loggers));
    }

    /// <summary>Both connections, from memory.</summary>
    public AmqpClientStatus Status => _amqp.Status;

    /// <inheritdoc/>
    protected override Task OpenAsync(CancellationToken cancellationToken)
    {
        Context.Traffic.CountReconnectsBy(() => _amqp.Status.Links.Sum(link => Math.Max(0L, link.Epoch - 1)));
        _receiving = Task.Run(ReceiveAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task StopReceivingAsync()
    {
        await _receiving;
        AmqpSubscription[] consumers;
        lock (_lock)
            consumers = [.. _consumers];
        await Task.WhenAll(consumers.Concat(_clients.All.SelectMany(client => client.Value.Consumers))
            .Select(consumer => consumer.DisposeAsync().AsTask()));
    }

    /// <inheritdoc/>
    protected override async Task CloseAsync() => await _amqp.DisposeAsync();
}
