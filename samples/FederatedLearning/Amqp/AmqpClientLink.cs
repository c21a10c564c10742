using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>
/// A client's side of AMQP, in either way. Like the server's, it has a connection to send and one to receive, and each
/// recovers alone: the link does not end. Its queues are durable, so that it misses nothing while a connection is away.
/// </summary>
/// <remarks>
/// Durable queues also keep what an earlier run of this client left unread. Before it registers, the link therefore
/// sends a fence into each of its queues, and passes over all that comes before it.
/// </remarks>
public sealed class AmqpClientLink : IClientLink
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
    private readonly ServerInbox _inbox;
    private readonly string _session = Guid.NewGuid().ToString("N");

    /// <summary>Makes the link; nothing is connected yet.</summary>
    /// <param name="client">The client's id.</param>
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
        _inbox = new ServerInbox(client, AmqpProtocolHandler.Title, _log);
    }

    /// <summary>Both connections, from memory.</summary>
    public AmqpClientStatus Status => _amqp.Status;

    /// <inheritdoc/>
    public string Protocol => AmqpProtocolHandler.ProtocolName;

    /// <summary>
    /// What the server says to this client, in the order in which it came. Over queues of its own different kinds may
    /// overtake each other.
    /// </summary>
    public ChannelReader<OutgoingMessage> Received => _inbox.Received;

    /// <summary>Connects, waiting for the broker as long as it takes.</summary>
    /// <exception cref="LinkException">The broker refuses what the client needs.</exception>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _amqp.OpenAsync(cancellationToken);
            await _amqp.DeclareAsync(_names.Shared(), cancellationToken);
            await _amqp.DeclareAsync(
                _way == ClientWay.Unified ? _names.Unified(_client) : _names.OnBroadcast(_client), cancellationToken);
            string[] queues =
                _way == ClientWay.Unified ? [.. _names.AllTo(_client)] : [_names.BroadcastQueueOf(_client)];
            await Task.WhenAll(queues.Select(queue => ConsumeFromFenceAsync(queue, cancellationToken)));
        }
        catch (AmqpException error)
        {
            throw new LinkException(error.Message, error)
            {
                IsFinal = error is AmqpTopologyException { ReplyCode: not null }
            };
        }
        _log.LinkStarted(_client.Value, _way == ClientWay.Unified ? "queues of its own" : "broadcast");
    }

    /// <inheritdoc/>
    public async ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken)
    {
        var (exchange, key) = (_way, message) switch
        {
            (ClientWay.Unified, ClientRegistration) => ("", _names.UnifiedRegisterQueue),
            (ClientWay.Unified, ClientUpdate) => (_names.ClientUpdates, AmqpNames.UpdateKeyOf(_client)),
            (ClientWay.Unified, _) => (_names.ClientUpdates, AmqpNames.MetricsKeyOf(_client)),
            (_, ClientRegistration) => (_names.ClientUpdates, AmqpNames.RegisterKey),
            (_, ClientUpdate) => (_names.ClientUpdates, AmqpNames.UpdateKey),
            _ => (_names.ClientUpdates, AmqpNames.MetricsKey),
        };
        byte[] body = ClientJson.Write(message);
        try
        {
            await _amqp.PublishAsync(
                AmqpMessage.ToExchange(exchange, key, body) with { ContentType = Json }, cancellationToken);
        }
        catch (AmqpException error)
        {
            throw new LinkException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _inbox.Complete();
        await _amqp.DisposeAsync();
    }

    private async Task ConsumeFromFenceAsync(string queue, CancellationToken cancellationToken)
    {
        var passed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await _amqp.ConsumeAsync(queue, async (delivery, lost) =>
        {
            if (delivery.Message.Type == Fence)
            {
                if (delivery.Message.CorrelationId == _session)
                    passed.TrySetResult();
            }
            else if (passed.Task.IsCompleted)
            {
                await _inbox.TakeAsync(delivery.Body.Span, cancellationToken: lost);
            }

            return AmqpSettlement.Ack;
        }, FewAtOnce, cancellationToken);
        await _amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, []) with { Type = Fence, CorrelationId = _session }, cancellationToken);
        await passed.Task.WaitAsync(cancellationToken);
    }
}
