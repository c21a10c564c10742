using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Mqtt;

/// <summary>
/// MQTT for the unified server, with a broker of its own or as a client of another. What goes to all goes to one topic,
/// what is for one client to a topic of its own. All of it has QoS 1.
/// </summary>
public sealed class MqttProtocolHandler : ProtocolHandler
{
    /// <summary>The protocol's name.</summary>
    public const string ProtocolName = "mqtt";

    internal const string Title = "MQTT";

    private readonly ClientWays<MqttWay> _ways = new();
    private readonly MqttTopics _topics;
    private readonly IMqttBroker _broker;

    /// <summary>Makes the handler; nothing is connected, and nothing listens yet.</summary>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    public MqttProtocolHandler(MqttSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
        : base(ProtocolName, Title, loggers.CreateLogger<MqttProtocolHandler>(), time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _topics = new MqttTopics(settings.Prefix);
        _broker = settings.Host is null
            ? new EmbeddedBroker(settings, _topics, Log)
            : new BrokerClient(settings, _topics, Time, Log);
        (_broker.Received, _broker.Gone, _broker.Failed) = (TakeAsync, GoneAsync, FailAsync);
    }

    // A client's way is its topics; the connection that it registered over is known where the broker is the server's
    // own.
    private sealed record MqttWay(string? Connection);

    /// <inheritdoc/>
    protected override Task OpenAsync(CancellationToken cancellationToken)
    {
        Context.Traffic.CountReconnectsBy(() => _broker.Reconnects + _ways.Returned);
        return _broker.StartAsync(cancellationToken);
    }

    /// <inheritdoc/>
    protected override async Task SendAsync(OutgoingMessage message)
    {
        if (message.Recipient is not null || _ways.Count > 0) await PublishAsync(message);
        if (message is Rejected { Recipient: { } rejected }) _ways.Remove(rejected);
    }

    /// <inheritdoc/>
    protected override Task StopReceivingAsync()
    {
        _broker.StopReceiving();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task CloseAsync()
    {
        await _broker.DrainAsync(GivenUp).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _broker.DisposeAsync();
    }

    private async Task PublishAsync(OutgoingMessage message)
    {
        string topic = _topics.To(message);
        var body = message.ToJson();
        await _broker.PublishAsync(topic, body, GivenUp);
        Context.Traffic.Sent(body.Length);
        if (message.Recipient is { } client) Log.Sent(message.MessageType, client.Value, topic);
        else Log.Broadcast(message.MessageType, topic);
    }

    private async ValueTask<bool> TakeAsync(MqttReceived message)
    {
        if (_topics.Parse(message.Topic) is not var (kind, client) || IsOfAnother(client, message.Connection))
        {
            string reason = "nothing of this connection is taken on this topic";
            Log.Refused(message.Topic, reason);
            await Context.Federation.MessageRefusedAsync(null, reason);
            return false;
        }
        if (kind == "left")
        {
            if (_ways.Remove(client!) is not null) await Context.Federation.ClientLeftAsync(client!, "its last will");
            return true;
        }
        if (await Inbox.TakeAsync(
            message.Body, kind, client, id => EnterAsync(id, message.Connection)) is { } refused)
            Log.Refused(message.Topic, refused);
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
        Log.Registered(client.Value);
        if (before?.Connection is { } other && other != connection)
            await _broker.DisconnectAsync(other, $"another connection has registered as client {client}");
    }

    private async ValueTask GoneAsync(string connection)
    {
        foreach (var (client, way) in _ways.All.Where(entry => entry.Value.Connection == connection))
        {
            if (_ways.Remove(client, way)) await Context.Federation.ClientLeftAsync(client, "its connection ended");
        }
    }
}
