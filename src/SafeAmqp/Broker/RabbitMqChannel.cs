using RabbitMQ.Client;
using SafeAmqp.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Broker;

/// <summary>One of RabbitMQ.Client's channels, driven by the owner's thread.</summary>
internal sealed class RabbitMqChannel(RabbitMqLink link, Outbox outbox, long incarnation)
{
    private IChannel? _channel;
    private ushort _number;
    private int _maxFrame;
    private string? _consumerTag;
    private bool _closed;

    /// <summary>Opens the channel on a connection: open, subscribe, prefetch, each step on the owner's thread.</summary>
    internal void Open(IConnection connection, bool confirms, int prefetch)
    {
        // Confirmations are switched on, but their tracking is of publishes that go through it, and ours do not. One dispatcher, as deliveries
        // must stay in order.
        var options = new CreateChannelOptions(confirms, publisherConfirmationTrackingEnabled: false, outstandingPublisherConfirmationsRateLimiter: null,
            consumerDispatchConcurrency: 1);
        link.Then(() => connection.CreateChannelAsync(options, CancellationToken.None), opened =>
        {
            if (Failed(opened))
                return;
            _channel = ((Task<IChannel>)opened).Result;
            _number = (ushort)_channel.ChannelNumber;
            _maxFrame = connection.FrameMax is > 0 and <= int.MaxValue and var agreed ? (int)agreed : LinkConfig.MaxFrameSize;
            if (_closed)
            {
                CloseDetached(_channel);
                return;
            }
            link.Opened(_number, incarnation);
            Subscribe(_channel, connection);
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
        if (_channel is not { IsOpen: true })
            return PassResult.Closed;
        FrameBuffer frames = outbox.Frames;
        int before = frames.Count;
        try
        {
            PublishFrames.Publish(frames, _number, message, slot, _maxFrame);
        }
        catch (Exception) // headers that were changed after they had been checked, most likely
        {
            frames.CutTo(before);
            return PassResult.Unencodable;
        }
        outbox.FlushWhenFull();
        if (!outbox.IsHeldUp)
            return PassResult.Passed;
        outbox.Then(() => link.Owner.Post(new BrokerSignal.Readied(incarnation, null)));
        return PassResult.PassedBusy;
    }

    internal void Settle(ulong tag, bool multiple, AmqpSettlement settlement)
    {
        if (_channel is not { IsOpen: true })
            return; // the broker requeues what was not settled; that the channel is closed comes as a signal
        PublishFrames.Settle(outbox.Frames, _number, tag, multiple, settlement);
        outbox.FlushWhenFull();
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
        _consumerTag = $"safeamqp-{incarnation}";
        // That it began, and its deliveries, are reported by who receives them, in the order in which they came.
        link.Then(() => channel.BasicConsumeAsync(request.Queue, request.NoAck, _consumerTag, noLocal: false, request.Exclusive,
            MessageProperties.ToTable(request.Arguments), new ChannelConsumer(link.Owner, channel, incarnation), CancellationToken.None), done => Failed(done));
    }

    internal void CancelConsumer()
    {
        if (_channel is { } channel && _consumerTag is { } tag)
            link.Then(() => channel.BasicCancelAsync(tag, noWait: false, CancellationToken.None), done => Failed(done));
    }

    private void Subscribe(IChannel channel, IConnection connection)
    {
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
}
