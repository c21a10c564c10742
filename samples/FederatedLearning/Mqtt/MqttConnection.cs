using System.Buffers;
using System.Net.Sockets;
using System.Security.Authentication;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using MQTTnet;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Protocol;

namespace FederatedLearning.Mqtt;

/// <summary>
/// One connection to a broker, of the server or of a client: with MQTT 5, or 3.1.1 where the broker knows no other. It
/// ends once.
/// </summary>
internal sealed class MqttConnection : IAsyncDisposable
{
    private static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(2);

    private readonly MqttSettings _settings;
    private readonly string _name;
    private readonly Func<MqttApplicationMessage, ValueTask<bool>> _take;
    private readonly TaskCompletionSource<MqttEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Makes the connection; nothing is connected yet.</summary>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="name">The client id.</param>
    /// <param name="take">Takes a message; whether it is to be acknowledged.</param>
    public MqttConnection(MqttSettings settings, string name, Func<MqttApplicationMessage, ValueTask<bool>> take)
        => (_settings, _name, _take) = (settings, name, take);

    /// <summary>Whether the broker keeps what is sent to this connection while it is away.</summary>
    public bool KeepsSession { get; init; }

    /// <summary>The library's client, once it is connected.</summary>
    public IMqttClient Client { get; private set; } = new MqttClientFactory().CreateMqttClient();

    /// <summary>Whether the broker has kept what was sent to this connection while it was away.</summary>
    public bool FoundSession { get; private set; }

    /// <summary>The version that is spoken.</summary>
    public string Version => Client.Options?.ProtocolVersion == MqttProtocolVersion.V500 ? "5" : "3.1.1";

    /// <summary>Ends when the connection has.</summary>
    public Task<MqttEnd> Ended => _ended.Task;

    /// <summary>Connects and subscribes.</summary>
    /// <param name="topics">What it listens to.</param>
    /// <param name="will">The topic of its last will; null for none.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="LinkException">The broker cannot be reached, or refuses the connection.</exception>
    public async Task ConnectAsync(IEnumerable<string> topics, string? will, CancellationToken cancellationToken)
    {
        if (!await TryConnectAsync(MqttProtocolVersion.V500, will, cancellationToken))
            await TryConnectAsync(MqttProtocolVersion.V311, will, cancellationToken);
        var subscription = new MqttClientSubscribeOptionsBuilder();
        foreach (string topic in topics) subscription.WithTopicFilter(topic, MqttQualityOfServiceLevel.AtLeastOnce);
        try
        {
            var result = await Client.SubscribeAsync(subscription.Build(), cancellationToken);
            if (result.Items.FirstOrDefault(
                item => item.ResultCode > MqttClientSubscribeResultCode.GrantedQoS2) is { } refused)
                throw new LinkException("the broker refuses the subscription to "
                    + $"{refused.TopicFilter.Topic}: {refused.ResultCode}")
                { IsFinal = true };
        }
        catch (Exception error) when (IsOfTheNetwork(error))
        {
            throw new LinkException(error.Message, error);
        }
    }

    /// <summary>
    /// Publishes with QoS 1. Once it is passed on, cancelling ends only the waiting: an acknowledgement that the
    /// library does not expect any more would end the connection, and so would half a packet.
    /// </summary>
    /// <exception cref="LinkException">It was not acknowledged.</exception>
    public static Task PublishAsync(
        IMqttClient client, string topic, ReadOnlyMemory<byte> body, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        var publishing = PublishAsync(client, topic, body, timeout);
        // What was cancelled may fail afterwards: nothing waits for it then.
        publishing.ContinueWith(failed => failed.Exception, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        return publishing.WaitAsync(cancellationToken);
    }

    private static async Task PublishAsync(
        IMqttClient client, string topic, ReadOnlyMemory<byte> body, TimeSpan timeout)
    {
        using var limit = new CancellationTokenSource(timeout);
        try
        {
            var result = await client.PublishAsync(new MqttApplicationMessage
            {
                Topic = topic,
                Payload = new ReadOnlySequence<byte>(body),
                QualityOfServiceLevel = MqttQualityOfServiceLevel.AtLeastOnce,
                ContentType = client.Options.ProtocolVersion == MqttProtocolVersion.V500 ? "application/json" : null,
            }, limit.Token);
            if (!result.IsSuccess)
                throw new LinkException($"the broker refuses it: {result.ReasonCode}") { IsFinal = true };
        }
        catch (Exception error) when (IsOfTheNetwork(error))
        {
            throw new LinkException(error.Message, error);
        }
        catch (OperationCanceledException)
        {
            throw new LinkException($"it was not acknowledged within {timeout.TotalSeconds} s");
        }
    }

    /// <summary>Closes a connection in order.</summary>
    public static async Task CloseAsync(IMqttClient client)
    {
        using var patience = new CancellationTokenSource(ClosePatience);
        try
        {
            if (client.IsConnected) await client.DisconnectAsync(new MqttClientDisconnectOptions(), patience.Token);
        }
        catch (Exception error) when (IsOfTheNetwork(error) || error is OperationCanceledException)
        {
            // It is closed all the same.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await CloseAsync(Client);
        Client.Dispose();
        _ended.TrySetResult(new MqttEnd("closed", false));
    }

    // Whether it is connected; not if the broker knows no such version.
    private async Task<bool> TryConnectAsync(
        MqttProtocolVersion version, string? will, CancellationToken cancellationToken)
    {
        Client.Dispose();
        Client = new MqttClientFactory().CreateMqttClient();
        Client.ApplicationMessageReceivedAsync += TakeAsync;
        var options = _settings.ConnectionOptions(_name, version);
        if (version == MqttProtocolVersion.V500)
            options.WithCleanStart(!KeepsSession).WithSessionExpiryInterval(KeepsSession ? 3600u : 0);
        else options.WithCleanSession(!KeepsSession);
        if (will is not null)
            options.WithWillTopic(will).WithWillQualityOfServiceLevel(MqttQualityOfServiceLevel.AtLeastOnce);
        try
        {
            var result = await Client.ConnectAsync(MqttSettings.Build(options), cancellationToken);
            if (result.ResultCode == MqttClientConnectResultCode.Success)
            {
                FoundSession = result.IsSessionPresent;
                Client.DisconnectedAsync += DisconnectedAsync;
                if (!Client.IsConnected) _ended.TrySetResult(new MqttEnd("the connection was closed at once", false));
                return true;
            }
            if (version == MqttProtocolVersion.V500
                && result.ResultCode == MqttClientConnectResultCode.UnsupportedProtocolVersion)
                return false;
            throw new LinkException($"the broker refuses the connection: {result.ResultCode}")
            {
                IsFinal = result.ResultCode is MqttClientConnectResultCode.BadUserNameOrPassword
                    or MqttClientConnectResultCode.NotAuthorized
                    or MqttClientConnectResultCode.ClientIdentifierNotValid or MqttClientConnectResultCode.Banned,
            };
        }
        // A broker of 3.1.1 alone closes a connection of version 5 without a word. One that is not there does not get
        // so far.
        catch (Exception error)
            when (version == MqttProtocolVersion.V500 && IsOfTheNetwork(error) && !IsUnreachable(error))
        {
            return false;
        }
        catch (Exception error) when (IsOfTheNetwork(error))
        {
            bool isUntrusted = error.GetBaseException() is AuthenticationException
                || error.InnerException is AuthenticationException;
            throw new LinkException((error.InnerException ?? error).Message, error) { IsFinal = isUntrusted };
        }
    }

    private async Task TakeAsync(MqttApplicationMessageReceivedEventArgs received)
    {
        received.AutoAcknowledge = await _take(received.ApplicationMessage);
    }

    private Task DisconnectedAsync(MqttClientDisconnectedEventArgs end)
    {
        string text =
            end.ReasonString is { Length: > 0 } reason ? reason : end.Exception?.Message ?? end.Reason.ToString();
        _ended.TrySetResult(new MqttEnd(text, end.Reason == MqttClientDisconnectReason.SessionTakenOver));
        return Task.CompletedTask;
    }

    private static bool IsUnreachable(Exception error)
        => error.GetBaseException() is SocketException { SocketErrorCode: not SocketError.ConnectionReset }
            or AuthenticationException;

    private static bool IsOfTheNetwork(Exception error)
        => error is MqttCommunicationException or MqttProtocolViolationException or SocketException or IOException
            or AuthenticationException
            or InvalidOperationException or ObjectDisposedException or MqttClientNotConnectedException
            or MqttClientDisconnectedException;
}

/// <summary>How a connection ended.</summary>
/// <param name="Text">In words.</param>
/// <param name="IsTakenOver">Whether another connection with the same name took its place.</param>
internal sealed record MqttEnd(string Text, bool IsTakenOver);
