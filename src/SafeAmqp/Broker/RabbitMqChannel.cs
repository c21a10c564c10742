using RabbitMQ.Client;
using SafeAmqp.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Broker;

/// <summary>
/// One of RabbitMQ.Client's channels, driven by the owner's thread. Properties and headers are one object each, refilled for every publish: that
/// is safe as at most one publish is pending, and none is begun while it is.
/// </summary>
internal sealed class RabbitMqChannel(RabbitMqLink link, long incarnation)
{
    private readonly BasicProperties _properties = new();
    private readonly Dictionary<string, object?> _headers = [];
    private object?[] _slots = [];
    private IChannel? _channel;
    private ChannelConsumer? _consumer;
    private bool _closed;

    /// <summary>Opens the channel on a connection: open, subscribe, prefetch, each step on the owner's thread.</summary>
    internal void Open(IConnection connection, bool confirms, int prefetch)
    {
        // Tracking would await the broker for each publish and walk a dictionary for each ack; the ledger does both better. Without a
        // limiter, as the window is the limit. One dispatcher, as deliveries must stay in order.
        var options = new CreateChannelOptions(confirms, publisherConfirmationTrackingEnabled: false, outstandingPublisherConfirmationsRateLimiter: null,
            consumerDispatchConcurrency: 1);
        link.Then(() => connection.CreateChannelAsync(options, CancellationToken.None), opened =>
        {
            if (Failed(opened))
                return;
            _channel = ((Task<IChannel>)opened).Result;
            if (_closed)
            {
                CloseDetached(_channel);
                return;
            }
            link.Opened(_channel.ChannelNumber, incarnation);
            Subscribe(_channel, connection, confirms);
            if (prefetch == 0)
            {
                link.Owner.Post(new BrokerSignal.ChannelOpened(incarnation));
                return;
            }
            link.Then(() => _channel.BasicQosAsync(0, (ushort)prefetch, global: false, CancellationToken.None), bounded =>
            {
                if (!Failed(bounded))
                    link.Owner.Post(new BrokerSignal.ChannelOpened(incarnation));
            });
        });
    }

    internal void Close()
    {
        _closed = true;
        if (_channel is not null)
            CloseDetached(_channel);
    }

    internal PassResult Publish(AmqpMessage message, int slot)
    {
        if (_channel is null)
            return PassResult.Closed;
        MessageProperties.Fill(_properties, _headers, message, slot < 0 ? null : Boxed(slot));
        // No token: a cancelled wait would release a semaphore that it never took (rabbitmq-dotnet-client #1900).
        ValueTask taken = _channel.BasicPublishAsync(message.Exchange, message.RoutingKey, message.Mandatory, _properties, message.Body, CancellationToken.None);
        if (!taken.IsCompleted)
        {
            link.Then(taken.AsTask, done => link.Owner.Post(new BrokerSignal.Readied(incarnation, done.Exception?.GetBaseException())));
            return PassResult.PassedBusy;
        }
        try
        {
            taken.GetAwaiter().GetResult();
            return PassResult.Passed;
        }
        catch (Exception error)
        {
            return Verdict.IsClosed(error) ? PassResult.Closed : PassResult.Unencodable;
        }
    }

    internal void Settle(ulong tag, bool multiple, AmqpSettlement settlement)
    {
        if (_channel is null)
            return;
        try
        {
            ValueTask taken = settlement == AmqpSettlement.Ack
                ? _channel.BasicAckAsync(tag, multiple, CancellationToken.None)
                : _channel.BasicNackAsync(tag, multiple, requeue: settlement == AmqpSettlement.Requeue, CancellationToken.None);
            if (!taken.IsCompletedSuccessfully)
                RabbitMqLink.Forget(taken.AsTask());
        }
        catch (Exception error) when (Verdict.IsClosed(error))
        {
            // The broker requeues what was not settled; that the channel is closed comes as a signal.
        }
    }

    internal void Declare(TopologyItem item)
    {
        if (_channel is { } channel)
            link.Then(() => Declaration.RunAsync(channel, item), done =>
            {
                if (!Failed(done))
                    link.Owner.Post(new BrokerSignal.Declared(incarnation, ((Task<string>)done).Result));
            });
    }

    internal void Consume(ConsumeRequest request)
    {
        if (_channel is not { } channel)
            return;
        _consumer = new ChannelConsumer(link.Owner, channel, incarnation);
        // Its consume-ok is reported by the consumer, so that it comes before the first delivery.
        link.Then(() => channel.BasicConsumeAsync(request.Queue, request.NoAck, consumerTag: "", noLocal: false, request.Exclusive,
            MessageProperties.ToTable(request.Arguments), _consumer, CancellationToken.None), done => Failed(done));
    }

    internal void CancelConsumer()
    {
        if (_channel is { } channel && _consumer?.Tag is { } tag)
            link.Then(() => channel.BasicCancelAsync(tag, noWait: false, CancellationToken.None), done => Failed(done));
    }

    private void Subscribe(IChannel channel, IConnection connection, bool confirms)
    {
        if (confirms)
        {
            channel.BasicAcksAsync += (_, ack) => Post(new BrokerSignal.Acked(incarnation, ack.DeliveryTag, ack.Multiple));
            channel.BasicNacksAsync += (_, nack) => Post(new BrokerSignal.Nacked(incarnation, nack.DeliveryTag, nack.Multiple));
            channel.BasicReturnAsync += (_, returned) => returned.BasicProperties.Headers?.TryGetValue(MessageProperties.SlotHeader, out object? slot) == true && slot is int number
                ? Post(new BrokerSignal.Returned(incarnation, number, returned.ReplyCode, Telemetry.StatusText.Printable(returned.ReplyText)))
                : Task.CompletedTask;
        }
        channel.ChannelShutdownAsync += (_, reason) => connection.IsOpen // else the link is lost, which is said once for all its channels
            ? Post(new BrokerSignal.ChannelClosed(incarnation, Verdict.Of(reason)))
            : Task.CompletedTask;
        if (channel.CloseReason is { } closed && connection.IsOpen)
            Post(new BrokerSignal.ChannelClosed(incarnation, Verdict.Of(closed))); // it closed before we listened
    }

    private bool Failed(Task task)
    {
        if (task.IsCompletedSuccessfully)
            return false;
        link.Owner.Post(new BrokerSignal.ChannelClosed(incarnation, Verdict.Of(task.Exception?.GetBaseException() ?? new OperationCanceledException())));
        return true;
    }

    private Task Post(BrokerSignal signal)
    {
        link.Owner.Post(signal);
        return Task.CompletedTask;
    }

    // Closing inside a callback, or waiting for it, can stall (#1567, #1751, #1960): it is begun here and ends by itself.
    private void CloseDetached(IChannel channel) => RabbitMqLink.Forget(CloseAsync(channel));

    private static async Task CloseAsync(IChannel channel)
    {
        await channel.CloseAsync(Constants.ReplySuccess, "Goodbye", abort: true, CancellationToken.None).ConfigureAwait(false);
        await channel.DisposeAsync().ConfigureAwait(false);
    }

    private object Boxed(int slot)
    {
        if (slot >= _slots.Length)
            Array.Resize(ref _slots, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)slot + 1));
        return _slots[slot] ??= slot;
    }
}
