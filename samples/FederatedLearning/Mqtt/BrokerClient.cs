using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using MQTTnet;
using MQTTnet.Exceptions;
using MQTTnet.Formatter;
using MQTTnet.Protocol;

namespace FederatedLearning.Mqtt;

/// <summary>
/// The server as a client of a broker. One loop connects and connects again; what could not be sent is sent over the
/// next connection. The broker keeps the session while the server is away, so nothing that clients send is lost with a
/// connection.
/// </summary>
internal sealed class BrokerClient : IMqttBroker
{
    private readonly MqttSettings _settings;
    private readonly MqttTopics _topics;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _lock = new();

    private Task _running = Task.CompletedTask;
    private Tenure _tenure = new();
    private volatile bool _isTaking = true;
    private bool _hasAnnounced;
    private long _connections;

    public BrokerClient(MqttSettings settings, MqttTopics topics, TimeProvider time, ILogger log)
        => (_settings, _topics, _time, _log) = (settings, topics, time, log);

    public Func<MqttReceived, ValueTask<bool>> Received { get; set; } = _ => ValueTask.FromResult(false);

    public Func<string, ValueTask> Gone { get; set; } = _ => default;

    public Func<Exception, Task> Failed { get; set; } = _ => Task.CompletedTask;

    // A connection, from the time when it is wanted to its end.
    private sealed class Tenure
    {
        public TaskCompletionSource<IMqttClient> Connected { get; } =
            new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public long Reconnects => Math.Max(0, Volatile.Read(ref _connections) - 1);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task PublishAsync(string topic, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        while (true)
        {
            Tenure tenure;
            lock (_lock) tenure = _tenure;
            var client = await tenure.Connected.Task.WaitAsync(cancellationToken);
            try
            {
                await MqttConnection.PublishAsync(client, topic, body, _settings.SendTimeout, cancellationToken);
                return;
            }
            catch (LinkException error)
            {
                _log.NotSent(topic.Split('/')[1], topic, error.Message);
                if (error.IsFinal) return; // the broker refuses this message, and would again
                await MqttConnection.CloseAsync(client);
                await tenure.Ended.Task.WaitAsync(cancellationToken);
            }
        }
    }

    public void StopReceiving() => _isTaking = false;

    public Task DrainAsync(CancellationToken cancellationToken) => Task.CompletedTask; // the broker has it

    // Over a broker no client can be sent away: of two connections with one name the broker itself ends the older.
    public Task DisconnectAsync(string? connection, string reason) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _running;
        _closing.Dispose();
    }

    private async Task RunAsync()
    {
        var backoff = new Backoff(_time);
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                await using var connection = new MqttConnection(_settings, _topics.ServerName, TakeAsync)
                {
                    KeepsSession = true
                };
                await connection.ConnectAsync(_topics.ToServer, null, _closing.Token);
                Interlocked.Increment(ref _connections);
                _log.Connected(_settings.ToString(), connection.Version);
                await AnnounceAsync(connection);
                backoff.Reset();
                lock (_lock) _tenure.Connected.TrySetResult(connection.Client);
                var reason = await connection.Ended.WaitAsync(_closing.Token);
                lock (_lock)
                {
                    _tenure.Ended.TrySetResult();
                    _tenure = new Tenure();
                }
                _log.NotReady(_settings.ToString(), reason.Text);
            }
            catch (LinkException error) when (!error.IsFinal)
            {
                _log.NotReady(_settings.ToString(), error.Message);
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
                break;
            }
            catch (Exception error)
            {
                await Failed(error);
                return;
            }
            await backoff.WaitAsync(_closing.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Clients that are connected to the broker already do not know that the server is another, or that what they have
    // sent meanwhile is lost with the session.
    private async Task AnnounceAsync(MqttConnection connection)
    {
        if (_hasAnnounced && connection.FoundSession) return;
        var message = new ServerStarted();
        string topic = _topics.To(message);
        await MqttConnection.PublishAsync(
            connection.Client, topic, message.ToJson(), _settings.SendTimeout, _closing.Token);
        _log.Broadcast(message.MessageType, topic);
        _hasAnnounced = true;
    }

    private async ValueTask<bool> TakeAsync(MqttApplicationMessage message)
    {
        if (!_isTaking) return false; // not acknowledged: the broker keeps it
        await Received(new MqttReceived(message.Topic, EmbeddedBroker.Body(message.Payload), null));
        return true;
    }
}
