using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp.Actor;
using SafeAmqp.Wire;

namespace SafeAmqp.Broker;

/// <summary>One of RabbitMQ.Client's channels, driven by the owner's thread.</summary>
internal sealed class RabbitMqChannel(RabbitMqLink link, Outbox outbox, long incarnation)
{
    private IConnection? _connection;
    private IChannel? _channel;
    private ushort _number;
    private int _maxFrame;
    private string? _consumerTag;
    private bool _closed;

    /// <summary>Opens the channel on a connection: open, subscribe, prefetch, each step on the owner's
    /// thread.</summary>
    internal void Open(IConnection connection, bool confirms, int prefetch)
    {
        _connection = connection;
        // Confirmations are on without tracking: it tracks publishes through RabbitMQ.Client, and ours bypass it. One
        // dispatcher, as deliveries must stay in order.
        var options = new CreateChannelOptions(confirms, publisherConfirmationTrackingEnabled: false,
            outstandingPublisherConfirmationsRateLimiter: null, consumerDispatchConcurrency: 1);
        link.Then(() => connection.CreateChannelAsync(options, CancellationToken.None), opened =>
        {
            if (Failed(opened))
                return;
            _channel = opened.Result;
            _number = (ushort)_channel.ChannelNumber;
            _maxFrame = connection.FrameMax is > 0 and <= int.MaxValue and var agreed ? (int)agreed
                : FrameFormat.MaxFrameSize;
            if (_closed)
            {
                CloseDetached(_channel);
                return;
            }
            link.Opened(_number, incarnation);
            Subscribe(_channel, connection);
            if (prefetch == 0)
            {
                link.Post(new BrokerSignal.ChannelOpened(incarnation));
                return;
            }
            link.Then(() => _channel.BasicQosAsync(0, (ushort)prefetch, global: false, CancellationToken.None),
                bounded =>
            {
                if (!Failed(bounded))
                    link.Post(new BrokerSignal.ChannelOpened(incarnation));
            });
        });
    }

    internal void Close()
    {
        _closed = true;
        if (_channel is not null)
            CloseDetached(_channel);
    }

    internal PassResult Publish(in Outgoing message, int slot, out string? refusal)
    {
        refusal = null;
        if (_channel is not { IsOpen: true })
            return PassResult.Closed;
        FrameBuffer frames = outbox.Frames;
        int before = frames.Count;
        try
        {
            FrameWriter.Publish(frames, _number, message, slot, _maxFrame);
        }
        catch (Exception error) // headers too large for the broker, or changed after they had been checked
        {
            frames.CutTo(before);
            refusal = error is FrameViolationException ? error.Message : "it cannot be encoded as AMQP 0-9-1";
            return PassResult.Refused;
        }
        outbox.FlushWhenFull();
        if (!outbox.IsHeldUp)
            return PassResult.Passed;
        outbox.Then(() => link.Post(new BrokerSignal.Readied(incarnation)));
        return PassResult.PassedBusy;
    }

    internal void Confirm()
    {
        if (_channel is { IsOpen: true })
            FrameWriter.ConfirmSelect(outbox.Frames, _number);
    }

    internal void Settle(ulong tag, bool multiple, AmqpSettlement settlement)
    {
        if (_channel is not { IsOpen: true })
            return; // the broker requeues what was not settled; that the channel is closed comes as a signal
        FrameWriter.Settle(outbox.Frames, _number, tag, multiple, settlement);
        outbox.FlushWhenFull();
    }

    internal void Get(string queue)
    {
        if (_channel is not { IsOpen: true })
            return; // a signal says so
        FrameWriter.Get(outbox.Frames, _number, queue);
        outbox.Flush();
    }

    internal void Ask(AdminRequest request)
    {
        if (_channel is { } channel)
            link.Then(() => AdminRequests.SendAsync(channel, request), done =>
            {
                if (!Failed(done))
                {
                    var (name, counts) = done.Result;
                    link.Post(new BrokerSignal.Answered(incarnation, name, counts));
                }
            });
    }

    internal void Consume(ConsumeRequest request)
    {
        if (_channel is not { } channel)
            return;
        _consumerTag = request.Tag ?? ConsumeRequest.TagOf(incarnation);
        // The frame reader reports the start and the deliveries, in the order in which they came.
        link.Then(() => channel.BasicConsumeAsync(request.Queue, request.NoAck, _consumerTag, noLocal: false,
            request.Exclusive, ClientTable.Of(request.Arguments),
            new ChannelConsumer(link, channel, incarnation), CancellationToken.None), done => Failed(done));
    }

    internal void CancelConsumer()
    {
        if (_channel is { } channel && _consumerTag is { } tag)
            link.Then(() => channel.BasicCancelAsync(tag, noWait: false, CancellationToken.None), done => Failed(done));
    }

    private void Subscribe(IChannel channel, IConnection connection)
    {
        // Otherwise the link is lost, which is reported once for all its channels
        channel.ChannelShutdownAsync += (_, reason) => connection.IsOpen
            ? link.Post(new BrokerSignal.ChannelClosed(incarnation, CloseClassifier.Of(reason)))
            : Task.CompletedTask;
        if (channel.CloseReason is { } closed && connection.IsOpen)
            // It closed before the handler was attached
            link.Post(new BrokerSignal.ChannelClosed(incarnation, CloseClassifier.Of(closed)));
    }

    private bool Failed(Task task)
    {
        if (task.IsCompletedSuccessfully)
            return false;
        if (_connection is { IsOpen: true }) // otherwise the link is lost, which is reported for all its channels
        {
            link.Post(new BrokerSignal.ChannelClosed(incarnation,
                CloseClassifier.Of(task.Exception?.GetBaseException() ?? new OperationCanceledException())));
        }
        return true;
    }

    // Closing inside a callback, or waiting for it, can stall (#1567, #1751, #1960): it is started here and not
    // awaited.
    private void CloseDetached(IChannel channel) => CloseAsync(channel).Forget();

    private static async Task CloseAsync(IChannel channel)
    {
        await channel.CloseAsync(Constants.ReplySuccess, "Goodbye", abort: true,
            CancellationToken.None).ConfigureAwait(false);
        await channel.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>What RabbitMQ.Client reports of a consumer: that it was cancelled. Its start and its deliveries are taken
/// before that (<see cref="SignalSink"/>).</summary>
internal sealed class ChannelConsumer(RabbitMqLink link, IChannel channel, long incarnation) : IAsyncBasicConsumer
{
    public IChannel Channel => channel;

    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default)
        => Task.CompletedTask;

    public Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange,
        string routingKey, IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body,
        CancellationToken cancellationToken = default)
        => throw new InvalidOperationException($"A delivery on channel {channel.ChannelNumber} was not taken before "
            + "RabbitMQ.Client. This is a bug in SafeAmqp.");

    public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        => link.Post(new BrokerSignal.ConsumerCancelled(incarnation, ByBroker: true));

    public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default)
        => link.Post(new BrokerSignal.ConsumerCancelled(incarnation, ByBroker: false));

    // The channel's own event says so.
    public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;
}
