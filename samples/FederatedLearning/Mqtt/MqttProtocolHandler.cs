using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Mqtt;

/// <summary>
/// MQTT for the unified server, with a broker of its own or as a client of another. What goes to all goes to one topic,
/// what is for one client to a topic of its own. All of it has QoS 1.
/// </summary>
public sealed class MqttProtocolHandler : IProtocolHandler
{
    /// <summary>The protocol's name.</summary>
    public const string ProtocolName = "mqtt";

    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly ClientWays<MqttWay> _ways = new();
    private readonly MqttTopics _topics;
    private readonly IMqttBroker _broker;
    private readonly bool _isEmbedded;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _givenUp = new();
    private readonly Lock _lock = new();

    private HandlerContext? _context;
    private ClientInbox? _inbox;
    private Task _sending = Task.CompletedTask;
    private Task? _stopped;

    /// <summary>Makes the handler; nothing is connected, and nothing listens yet.</summary>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    public MqttProtocolHandler(MqttSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _time = time ?? TimeProvider.System;
        _log = loggers.CreateLogger<MqttProtocolHandler>();
        _topics = new MqttTopics(settings.Prefix);
        _isEmbedded = settings.Host is null;
        _broker = _isEmbedded ? new EmbeddedBroker(settings, _topics, _log) : new BrokerClient(
            settings, _topics, _time, _log);
        (_broker.Received, _broker.Gone, _broker.Failed) = (TakeAsync, GoneAsync, FailedAsync);
    }

    /// <inheritdoc/>
    public string Name => ProtocolName;

    // A client's way is its topics; the connection that it registered over is known where the broker is the server's
    // own.
    private sealed record MqttWay(string? Connection);

    /// <inheritdoc/>
    public async Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        _context = context;
        _inbox = new ClientInbox(context.Federation, context.Traffic);
        context.Traffic.CountReconnectsBy(() => _broker.Reconnects + _ways.Returned);
        await _broker.StartAsync(cancellationToken);
        _sending = Task.Run(SendAllAsync, CancellationToken.None);
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
        await StopAsync(patience.Token);
        _givenUp.Dispose();
    }

    // First nothing more comes in, then what waits goes out, then the broker ends.
    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        _broker.StopReceiving();
        await using (cancellationToken.Register(_givenUp.Cancel))
        {
            if (_context is not null)
            {
                await _sending;
                await _broker.DrainAsync(_givenUp.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        await _broker.DisposeAsync();
        _log.ServerStopped();
    }

    private async Task SendAllAsync()
    {
        try
        {
            // clients of a server before this one are connected to the broker still
            if (!_isEmbedded) await SendAsync(new ServerStarted());
            await foreach (var message in _context!.Outgoing.TakeAllAsync(_givenUp.Token))
            {
                if (message.Recipient is not null || _ways.Count > 0) await SendAsync(message);
                if (message is Rejected { Recipient: { } rejected }) _ways.Remove(rejected);
            }
        }
        catch (OperationCanceledException) when (_givenUp.IsCancellationRequested)
        {
            // The end of patience: what is left is given up.
        }
        catch (Exception error)
        {
            await FailedAsync(error);
        }
    }

    private async Task SendAsync(OutgoingMessage message)
    {
        string topic = _topics.To(message);
        var body = message.ToJson();
        await _broker.PublishAsync(topic, body, _givenUp.Token);
        _context!.Traffic.Sent(body.Length);
        if (message.Recipient is { } client) _log.Sent(message.MessageType, client.Value, topic);
        else _log.Broadcast(message.MessageType, topic);
    }

    private async ValueTask<bool> TakeAsync(MqttReceived message)
    {
        if (_topics.Parse(message.Topic) is not var (kind, client) || IsOfAnother(client, message.Connection))
        {
            string reason = "nothing of this connection is taken on this topic";
            _log.Refused(message.Topic, reason);
            await _context!.Federation.MessageRefusedAsync(null, reason);
            return false;
        }
        if (kind == "left")
        {
            if (_ways.Remove(client!) is not null) await _context!.Federation.ClientLeftAsync(client!, "its last will");
            return true;
        }
        if (await _inbox!.TakeAsync(
            message.Body, kind, client, id => EnterAsync(id, message.Connection)) is { } refused)
            _log.Refused(message.Topic, refused);
        return true;
    }

    // The topic of a client that has registered over another connection.
    private bool IsOfAnother(ClientId? client, string? connection)
        => client is not null && connection is not null && _ways.Find(client) is { Connection: { } owner }
            && owner != connection;

    // The last to register has the id: the one before may be the same client, whose connection is dead without having
    // been noticed.
    private async ValueTask EnterAsync(ClientId client, string? connection)
    {
        var before = _ways.Find(client);
        if (before is null || before.Connection != connection)
            before = _ways.Set(client, new MqttWay(connection));
        _log.Registered(client.Value);
        if (before?.Connection is { } other && other != connection)
            await _broker.DisconnectAsync(other, $"another connection has registered as client {client}");
    }

    private async ValueTask GoneAsync(string connection)
    {
        foreach (var (client, way) in _ways.All.Where(entry => entry.Value.Connection == connection))
        {
            if (_ways.Remove(client, way)) await _context!.Federation.ClientLeftAsync(client, "its connection ended");
        }
    }

    private async ValueTask FailedAsync(Exception error)
    {
        _log.Failed(error);
        await _context!.Federation.HandlerFailedAsync(error);
    }
}
