using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using MQTTnet;
using MQTTnet.Packets;
using MQTTnet.Protocol;
using MQTTnet.Server;

namespace FederatedLearning.Mqtt;

/// <summary>
/// The server's own broker, within the process. What clients send is taken where it comes in, so one connection has one
/// message under way, and the client's acknowledgement says that the core has decided.
/// </summary>
/// <remarks>
/// It knows which connection a message came over. So no client speaks for another or on the server's topics, or hears
/// what other clients send; and a client that does not read what it is sent is dropped before it takes memory without
/// end.
/// </remarks>
internal sealed class EmbeddedBroker : IMqttBroker
{
    /// <summary>How much may wait for one client: the model that it is reading, and the next.</summary>
    private const long MaxPending = 2L * (MessageLimit.Bytes + MessageLimit.Overhead);

    /// <summary>How many messages may wait for one client.</summary>
    private const int MaxPendingMessages = 1_000;

    /// <summary>How many connections there may be: twice what the handler's table has room for.</summary>
    private const int MaxConnections = 2_000;

    private readonly MqttSettings _settings;
    private readonly MqttTopics _topics;
    private readonly MqttServer _server;
    private readonly ILogger _log;
    private readonly ConcurrentDictionary<string, Pending> _pending = new();
    private int _connections;
    private volatile bool _isTaking = true;

    public EmbeddedBroker(MqttSettings settings, MqttTopics topics, ILogger log)
    {
        (_settings, _topics, _log) = (settings, topics, log);
        bool isV6 = settings.Bind.AddressFamily == AddressFamily.InterNetworkV6;
        var (v4, v6) = isV6 ? (IPAddress.None, settings.Bind) : (settings.Bind, IPAddress.None);
        var factory = new MqttServerFactory();
        var options = factory.CreateServerOptionsBuilder()
            .WithPersistentSessions(true)
            .WithMaxPendingMessagesPerClient(2 * MaxPendingMessages)
            .WithDefaultCommunicationTimeout(settings.SendTimeout);
        if (settings.CertificateFile is { } file)
        {
            options.WithoutDefaultEndpoint()
                .WithEncryptedEndpoint()
                .WithEncryptedEndpointBoundIPAddress(v4)
                .WithEncryptedEndpointBoundIPV6Address(v6)
                .WithEncryptedEndpointPort(settings.Port)
                .WithEncryptionCertificate(Tls.ReadCertificate(file, settings.KeyFile));
        }
        else
        {
            options.WithDefaultEndpoint()
                .WithDefaultEndpointBoundIPAddress(v4)
                .WithDefaultEndpointBoundIPV6Address(v6)
                .WithDefaultEndpointPort(settings.Port);
        }
        var built = options.Build();
        built.DefaultEndpointOptions.ReuseAddress = built.TlsEndpointOptions.ReuseAddress = true;
        _server = factory.CreateMqttServer(built);
        _server.ValidatingConnectionAsync += ValidateAsync;
        _server.ClientConnectedAsync += ConnectedAsync;
        _server.ClientDisconnectedAsync += DisconnectedAsync;
        _server.InterceptingSubscriptionAsync += SubscribingAsync;
        _server.InterceptingPublishAsync += PublishingAsync;
        _server.InterceptingClientEnqueueAsync += EnqueueingAsync;
        _server.InterceptingOutboundPacketAsync += SendingAsync;
        _server.ClientAcknowledgedPublishPacketAsync += AcknowledgedAsync;
    }

    public Func<MqttReceived, ValueTask<bool>> Received { get; set; } = _ => ValueTask.FromResult(false);

    public Func<string, ValueTask> Gone { get; set; } = _ => default;

    public Func<Exception, Task> Failed { get; set; } = _ => Task.CompletedTask;

    public long Reconnects => 0;

    // How much waits for one connection. A class, so that it can be added to from several threads.
    private sealed class Pending
    {
        public long Bytes, Messages;
        public int IsDropped;
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _server.StartAsync();
        }
        catch (SocketException error)
        {
            throw new InvalidOperationException(
                $"MQTT cannot listen on {_settings.Bind}:{_settings.Port} ({error.SocketErrorCode}): set MQTT_PORT "
                    + "to another, or MQTT_HOST to use the broker there.",
                error);
        }
        _log.Listening($"{_settings.Bind}:{_settings.Port}");
    }

    public Task PublishAsync(string topic, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
        => _server.InjectApplicationMessage(
            new InjectedMqttApplicationMessage(new MqttApplicationMessage
            {
                Topic = topic,
                Payload = new ReadOnlySequence<byte>(body),
                QualityOfServiceLevel = MqttQualityOfServiceLevel.AtLeastOnce,
                ContentType = "application/json",
            })
            { SenderClientId = _topics.ServerName },
            cancellationToken);

    public void StopReceiving() => _isTaking = false;

    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        while (_pending.Values.Any(pending => Volatile.Read(ref pending.Messages) > 0))
            await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
    }

    public async Task DisconnectAsync(string? connection, string reason)
    {
        if (connection is null || (await _server.GetClientsAsync()).All(client => client.Id != connection)) return;
        await _server.DisconnectClientAsync(
            connection,
            new MqttServerClientDisconnectOptions
            {
                ReasonCode = MqttDisconnectReasonCode.SessionTakenOver,
                ReasonString = reason
            });
    }

    public async ValueTask DisposeAsync()
    {
        if (_server.IsStarted)
        {
            await _server.StopAsync(new MqttServerStopOptions
            {
                DefaultClientDisconnectOptions = new MqttServerClientDisconnectOptions
                {
                    ReasonCode = MqttDisconnectReasonCode.ServerShuttingDown,
                },
            });
        }
        _server.Dispose();
    }

    private Task ValidateAsync(ValidatingConnectionEventArgs connection)
    {
        if (connection.ClientId == _topics.ServerName)
            connection.ReasonCode = MqttConnectReasonCode.ClientIdentifierNotValid;
        else if (_settings.User is not null
            && (connection.UserName != _settings.User || connection.Password != (_settings.Password ?? "")))
            connection.ReasonCode = MqttConnectReasonCode.BadUserNameOrPassword;
        else if (Volatile.Read(ref _connections) >= MaxConnections)
            connection.ReasonCode = MqttConnectReasonCode.QuotaExceeded;
        if (connection.ReasonCode != MqttConnectReasonCode.Success)
            _log.ConnectionRefused(Printable(connection.ClientId), connection.ReasonCode.ToString());
        return Task.CompletedTask;
    }

    private Task ConnectedAsync(ClientConnectedEventArgs client)
    {
        Interlocked.Increment(ref _connections);
        _pending.TryRemove(client.ClientId, out _);
        return Task.CompletedTask;
    }

    private async Task DisconnectedAsync(ClientDisconnectedEventArgs client)
    {
        Interlocked.Decrement(ref _connections);
        if (client.DisconnectType == MqttClientDisconnectType.Takeover) return; // the newer connection has the name now
        // What waits in a session that is kept is bounded by the number of messages, and is not waited for at the end.
        _pending.TryRemove(client.ClientId, out _);
        await Gone(client.ClientId);
    }

    // The own injected messages come by here as well.
    private async Task PublishingAsync(InterceptingPublishEventArgs publish)
    {
        if (publish.ClientId == _topics.ServerName) return;
        publish.ProcessPublish = false;
        var message = publish.ApplicationMessage;
        if (!_isTaking)
        {
            publish.CloseConnection = true; // it comes back, and finds whatever is here then
            return;
        }
        if (!await Received(new MqttReceived(message.Topic, Body(message.Payload), publish.ClientId)))
            publish.Response.ReasonCode = MqttPubAckReasonCode.NotAuthorized;
    }

    private Task SubscribingAsync(InterceptingSubscriptionEventArgs subscription)
    {
        if (_topics.MaySubscribe(subscription.TopicFilter.Topic)) return Task.CompletedTask;
        subscription.ProcessSubscription = false;
        subscription.Response.ReasonCode = MqttSubscribeReasonCode.NotAuthorized;
        _log.SubscriptionRefused(Printable(subscription.ClientId), Printable(subscription.TopicFilter.Topic));
        return Task.CompletedTask;
    }

    private async Task EnqueueingAsync(InterceptingClientApplicationMessageEnqueueEventArgs message)
    {
        var pending = _pending.GetOrAdd(message.ReceiverClientId, _ => new Pending());
        long length = message.ApplicationMessage.Payload.Length;
        if (Volatile.Read(ref pending.Bytes) is > 0 and var bytes && bytes + length > MaxPending
            || Volatile.Read(ref pending.Messages) >= MaxPendingMessages)
        {
            message.AcceptEnqueue = false;
            if (Interlocked.Exchange(ref pending.IsDropped, 1) == 0) await DropAsync(message.ReceiverClientId, pending);
            return;
        }
        Interlocked.Add(ref pending.Bytes, length);
        Interlocked.Increment(ref pending.Messages);
    }

    // With its session: what waits for it goes.
    private async Task DropAsync(string connection, Pending pending)
    {
        _log.NeverReads(Printable(connection), Volatile.Read(ref pending.Bytes), Volatile.Read(ref pending.Messages));
        _pending.TryRemove(connection, out _);
        var session = (await _server.GetSessionsAsync()).FirstOrDefault(session => session.Id == connection);
        if (session is not null) _ = Task.Run(session.DeleteAsync);
    }

    // What asks for no acknowledgement is done with when it is written, all else when it is acknowledged.
    private Task SendingAsync(InterceptingPacketEventArgs sending)
    {
        if (sending.Packet is MqttPublishPacket { QualityOfServiceLevel: MqttQualityOfServiceLevel.AtMostOnce } packet)
            Settle(sending.ClientId, packet.Payload.Length);
        return Task.CompletedTask;
    }

    private Task AcknowledgedAsync(ClientAcknowledgedPublishPacketEventArgs acknowledged)
    {
        if (acknowledged.IsCompleted) Settle(acknowledged.ClientId, acknowledged.PublishPacket.Payload.Length);
        return Task.CompletedTask;
    }

    private void Settle(string connection, long length)
    {
        if (!_pending.TryGetValue(connection, out var pending)) return;
        Interlocked.Add(ref pending.Bytes, -length);
        Interlocked.Decrement(ref pending.Messages);
    }

    internal static ReadOnlyMemory<byte> Body(ReadOnlySequence<byte> payload)
        => payload.IsSingleSegment ? payload.First : payload.ToArray();

    // What a peer calls itself goes into the log only as far as it is text.
    private static string Printable(string? name)
        => new([.. (name ?? "").Take(ClientId.MaxLength).Select(c => char.IsControl(c) ? '?' : c)]);
}
