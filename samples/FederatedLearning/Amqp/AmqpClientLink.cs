using System.Threading.Channels;
using FederatedLearning.Messages;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>
/// A client's side of AMQP, in either way. Like the server's, it has a connection to send and one to receive, and each recovers alone. Its
/// queues are durable, so that it misses nothing while a connection is away.
/// </summary>
/// <remarks>
/// Durable queues also keep what an earlier run of this client left unread. Before it registers, the link therefore sends a fence into each of its
/// queues, and passes over all that comes before it.
/// </remarks>
public sealed class AmqpClientLink : IAsyncDisposable
{
    private const string Json = "application/json";
    private const string Fence = "fence";

    // Models are large: no more than this many messages are here unread.
    private static readonly AmqpConsumerOptions FewAtOnce = new() { Prefetch = 2 };

    private readonly ClientId _client;
    private readonly ClientWay _way;
    private readonly AmqpNames _names;
    private readonly AmqpClient _amqp;
    private readonly ILogger _log;
    private readonly string _session = Guid.NewGuid().ToString("N");
    private readonly Channel<OutgoingMessage> _received = Channel.CreateUnbounded<OutgoingMessage>();

    /// <summary>Makes the link; nothing is connected yet.</summary>
    /// <param name="client">Who the client is.</param>
    /// <param name="way">How it takes part.</param>
    /// <param name="settings">Where the broker is.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <exception cref="ArgumentException">A setting is not valid.</exception>
    public AmqpClientLink(ClientId client, ClientWay way, AmqpSettings settings, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_client, _way) = (client, way);
        _names = new AmqpNames(settings);
        _amqp = new AmqpClient(settings.ClientOptions($"fl-client-{client}", loggers));
        _log = loggers.CreateLogger<AmqpClientLink>();
    }

    /// <summary>Both connections, from memory.</summary>
    public AmqpClientStatus Status => _amqp.Status;

    /// <summary>What the server says to this client, in the order in which it came. Over queues of its own different kinds may overtake each other.</summary>
    public ChannelReader<OutgoingMessage> Received => _received.Reader;

    /// <summary>Connects, waiting for the broker as long as it takes, and registers.</summary>
    /// <exception cref="AmqpException">The broker refuses what the client needs.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _amqp.OpenAsync(cancellationToken);
        await _amqp.DeclareAsync(_names.Shared(), cancellationToken);
        await _amqp.DeclareAsync(_way == ClientWay.Unified ? _names.Unified(_client) : _names.OnBroadcast(_client), cancellationToken);
        string[] queues = _way == ClientWay.Unified ? [.. _names.AllTo(_client)] : [_names.BroadcastQueueOf(_client)];
        await Task.WhenAll(queues.Select(queue => ConsumeFromFenceAsync(queue, cancellationToken)));
        await RegisterAsync(cancellationToken);
        _log.LinkStarted(_client.Value, _way == ClientWay.Unified ? "queues of its own" : "broadcast");
    }

    /// <summary>Asks to take part, once more: the server answers with configuration and model.</summary>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public ValueTask RegisterAsync(CancellationToken cancellationToken)
    {
        var registration = new ClientRegistration(_client);
        return _way == ClientWay.Unified
            ? SendAsync("", _names.UnifiedRegisterQueue, registration, cancellationToken)
            : SendAsync(_names.ClientUpdates, AmqpNames.RegisterKey, registration, cancellationToken);
    }

    /// <summary>Sends what was trained; ends when the broker has it.</summary>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public ValueTask SendAsync(ClientUpdate update, CancellationToken cancellationToken) => SendAsync(
        _names.ClientUpdates, _way == ClientWay.Unified ? AmqpNames.UpdateKeyOf(_client) : AmqpNames.UpdateKey, update, cancellationToken);

    /// <summary>Sends what was measured; ends when the broker has it.</summary>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public ValueTask SendAsync(ClientMetrics metrics, CancellationToken cancellationToken) => SendAsync(
        _names.ClientUpdates, _way == ClientWay.Unified ? AmqpNames.MetricsKeyOf(_client) : AmqpNames.MetricsKey, metrics, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _amqp.DisposeAsync();
        _received.Writer.TryComplete();
    }

    private ValueTask SendAsync(string exchange, string routingKey, ClientMessage message, CancellationToken cancellationToken)
        => _amqp.PublishAsync(AmqpMessage.ToExchange(exchange, routingKey, ClientJson.Write(message)) with { ContentType = Json }, cancellationToken);

    private async Task ConsumeFromFenceAsync(string queue, CancellationToken cancellationToken)
    {
        var passed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _amqp.ConsumeAsync(queue, (delivery, _) =>
        {
            if (delivery.Message.Type == Fence)
            {
                if (delivery.Message.CorrelationId == _session)
                    passed.TrySetResult();
            }
            else if (passed.Task.IsCompleted)
            {
                Take(delivery);
            }

            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, FewAtOnce, cancellationToken);
        await _amqp.PublishAsync(AmqpMessage.ToQueue(queue, default) with { Type = Fence, CorrelationId = _session }, cancellationToken);
        await passed.Task.WaitAsync(cancellationToken);
    }

    private void Take(AmqpDelivery delivery)
    {
        try
        {
            // A message for one client alone may go to all; a type that is not known here comes from a newer server.
            if (ServerJson.Read(delivery.Body.Span) is { } message && (message.Recipient is null || message.Recipient == _client))
                _received.Writer.TryWrite(message);
        }
        catch (MessageRefusedException refused)
        {
            _log.Unreadable(_client.Value, refused.Message);
        }
    }
}
