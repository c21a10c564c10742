using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using MQTTnet;

namespace FederatedLearning.Mqtt;

/// <summary>
/// A client's side of MQTT. It listens to what goes to all and to what is for it alone. Its last will tells the server
/// that it is gone.
/// </summary>
public sealed class MqttClientLink : IClientLink
{
    private static readonly TimeSpan LeavePatience = TimeSpan.FromSeconds(2);

    private readonly ClientId _client;
    private readonly MqttSettings _settings;
    private readonly MqttTopics _topics;
    private readonly MqttConnection _connection;
    private readonly ServerInbox _inbox;
    private Task _watching = Task.CompletedTask;

    /// <summary>Makes the link; nothing is connected yet.</summary>
    /// <param name="client">The client's id.</param>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="loggers">Where log lines go.</param>
    public MqttClientLink(ClientId client, MqttSettings settings, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(client);
        (_client, _settings) = (client, settings);
        _topics = new MqttTopics(settings.Prefix);
        _connection = new MqttConnection(settings, _topics.ClientName(client), TakeAsync);
        _inbox = new ServerInbox(client, MqttProtocolHandler.Title, loggers.CreateLogger<MqttClientLink>());
    }

    /// <inheritdoc/>
    public string Protocol => MqttProtocolHandler.ProtocolName;

    /// <inheritdoc/>
    public ChannelReader<OutgoingMessage> Received => _inbox.Received;

    /// <inheritdoc/>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        await _connection.ConnectAsync(_topics.AllTo(_client), _topics.Left(_client), cancellationToken);
        _watching = Task.Run(WatchAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public async ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken)
        => await MqttConnection.PublishAsync(
            _connection.Client, _topics.From(message), ClientJson.Write(message), _settings.SendTimeout,
            cancellationToken);

    /// <summary>Says that it leaves, and closes the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_connection.Client.IsConnected)
        {
            try
            {
                await MqttConnection.PublishAsync(
                    _connection.Client, _topics.Left(_client), default, LeavePatience, CancellationToken.None);
            }
            catch (LinkException)
            {
                // It has left all the same.
            }
        }
        _inbox.Complete();
        await _connection.DisposeAsync();
        await _watching;
    }

    private async Task WatchAsync()
    {
        var end = await _connection.Ended;
        if (end.IsTakenOver) await _inbox.PassOnAsync(new Rejected(end.Text) { Recipient = _client });
        _inbox.Complete(new LinkException(end.Text));
    }

    private async ValueTask<bool> TakeAsync(MqttApplicationMessage received)
    {
        await _inbox.TakeAsync(EmbeddedBroker.Body(received.Payload).Span);
        return true;
    }
}
