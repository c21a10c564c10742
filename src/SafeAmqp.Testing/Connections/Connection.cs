using System.Buffers;
using System.IO.Pipelines;
using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Queues;
using SafeAmqp.Testing.Routing;
using SafeAmqp.Testing.Transport;

namespace SafeAmqp.Testing.Connections;

/// <summary>How far a connection is (AMQP 0-9-1, 2.2.4).</summary>
internal enum ConnectionStage
{
    /// <summary>The eight octets of the protocol header are expected.</summary>
    Header,

    /// <summary>connection.start is out, start-ok expected.</summary>
    Starting,

    /// <summary>connection.tune is out, tune-ok expected.</summary>
    Tuning,

    /// <summary>connection.open is expected.</summary>
    Opening,

    /// <summary>Open.</summary>
    Running,

    /// <summary>connection.close is out; everything but its answer is ignored (10.50).</summary>
    Closing,

    /// <summary>The end: nothing is read or written any more.</summary>
    Closed,
}

/// <summary>One client's connection: cuts its input into frames and gives each to its channel.</summary>
internal sealed partial class Connection
{
    private readonly Peer _peer;
    private readonly FrameReader _frames = new();
    private readonly Dictionary<ushort, Channel> _channels = [];
    private readonly List<Channel> _toConfirm = [];
    private bool _isBlocked;
    private bool _isLate;
    private TimeSpan? _late;
    private LoopTimers.Entry? _deadline;

    public Connection(Peer peer, BrokerState broker)
    {
        _peer = peer;
        Broker = broker;
        Sender = new FrameSender(peer);
        Id = broker.NextConnection();
        peer.Readable = OnReadable;
        peer.Writable = OnWritable;
        peer.Dirty = () => broker.MarkDirty(peer);
        // RabbitMQ's handshake_timeout.
        _deadline = broker.Loop.Timers.After(10_000, () => Drop(reset: false));
    }

    public BrokerState Broker { get; }

    public FrameSender Sender { get; }

    public long Id { get; }

    /// <summary>The client's own name for its connection, or one made of its number.</summary>
    public string Name { get; private set; } = "";

    public ConnectionStage Stage { get; private set; } = ConnectionStage.Header;

    /// <summary>The user who logged in; null only before that.</summary>
    public User User { get; private set; } = null!;

    public VirtualHost Host { get; private set; } = null!;

    public IReadOnlyDictionary<string, object?> Capabilities { get; private set; } = FieldTable.Empty;

    public List<BrokerQueue> ExclusiveQueues { get; } = [];

    public IEnumerable<Channel> Channels => _channels.Values;

    public bool IsOpen => Stage == ConnectionStage.Running;

    /// <summary>It published during an alarm, was told, and is not read from.</summary>
    public bool IsBlocked => _isBlocked;

    /// <summary>A frozen connection accepts octets and answers nothing.</summary>
    public bool IsFrozen { get; private set; }

    /// <summary>
    /// Whether deliveries may be written: not to a peer that has stopped reading or is gone, nor by a broker that ends.
    /// </summary>
    public bool TakesDeliveries =>
        IsOpen && !IsFrozen && !_peer.IsCongested && !_peer.IsBroken && Broker.IsRunning;

    /// <summary>Input waits: for the end of an alarm, or behind a method that a script answers late.</summary>
    private bool IsPaused => _isBlocked || _isLate;

    /// <summary>
    /// The method that was held back and is carried out now: it was seen and met its scripts when it came. 0 otherwise.
    /// </summary>
    public uint Replayed { get; private set; }

    public Task Ended => _peer.Ended;

    public bool Can(string capability) => Capabilities.GetValueOrDefault(capability) is true;

    public void Send(ushort channel, MethodWriter method)
    {
        if (Stage != ConnectionStage.Closed && !IsFrozen)
            Sender.Method(channel, method);
    }

    /// <summary>
    /// Confirms are gathered until the input at hand is read: one basic.ack for many (RabbitMQ does the same).
    /// </summary>
    public void ConfirmLater(Channel channel)
    {
        if (_toConfirm.Count == 0)
            Broker.ConfirmLater(this);
        _toConfirm.Add(channel);
    }

    public void FlushConfirms()
    {
        foreach (Channel channel in _toConfirm)
            channel.Confirms.Flush();
        _toConfirm.Clear();
    }

    private void OnReadable()
    {
        if (Stage == ConnectionStage.Closed || IsPaused || IsFrozen || _peer.IsCongested)
            return;
        if (!_peer.TryRead(out ReadResult result))
            return;
        ReadOnlySequence<byte> input = result.Buffer;
        try
        {
            Read(ref input);
        }
        catch (AmqpError error)
        {
            Fail(error, 0);
        }
        catch (Exception error)
        {
            Crashed(error);
        }
        if (Stage == ConnectionStage.Closed)
            return;
        _peer.AdvanceTo(input.Start, IsPaused || IsFrozen || _peer.IsCongested ? input.Start : input.End);
        if (result.IsCompleted && !IsPaused && !IsFrozen)
            Ending();
    }

    /// <summary>
    /// A bug here: this client hears of it as it would from RabbitMQ, the others go on, and the test that waits is
    /// told.
    /// </summary>
    private void Crashed(Exception error)
    {
        Broker.History.Crashed(error);
        Fail(new AmqpError(ReplyCode.InternalError, ""), 0);
    }

    /// <summary>
    /// What the client sent meanwhile comes first: it may have cancelled what would fill its output again.
    /// </summary>
    private void OnWritable()
    {
        OnReadable();
        foreach (Channel channel in _channels.Values)
            channel.UnblockConsumers();
    }

    private void Read(ref ReadOnlySequence<byte> input)
    {
        if (Stage == ConnectionStage.Header && !ReadProtocolHeader(ref input))
            return;
        while (Stage != ConnectionStage.Closed && !IsPaused && !IsFrozen && !_peer.IsCongested
            && _frames.TryTake(ref input, out Frame frame))
        {
            OnFrame(frame);
            if (_late is { } delay)
                HoldBack(frame, delay);
            Broker.Loop.RunLater();
        }
    }

    private void OnFrame(Frame frame)
    {
        uint method = 0;
        try
        {
            if (frame.Type == Frame.Method)
                method = frame.Payload.Length >= 4
                    ? BinaryPrimitives.ReadUInt32BigEndian(frame.Payload)
                    : throw Unexpected(frame);
            if (frame.Type is not (Frame.Method or Frame.Header or Frame.Body or Frame.Heartbeat)
                || (frame.Type == Frame.Heartbeat && !frame.Payload.IsEmpty))
                throw new AmqpError(
                    ReplyCode.FrameError, $"type {frame.Type}, {ErlangText.Snippet(frame.Payload)}: unknown_frame");
            if (frame.Type is Frame.Heartbeat)
            {
                if (frame.Channel != 0)
                    throw Unexpected(frame);
            }
            else if (Stage == ConnectionStage.Closing)
            {
                if (method == Method.ConnectionCloseOk)
                    End();
                else if (method == Method.ConnectionClose)
                    Send(0, Broker.Writer.Start(Method.ConnectionCloseOk));
            }
            else if (frame.Channel == 0)
            {
                OnConnectionMethod(frame, method);
            }
            else
            {
                OnChannelFrame(frame, method);
            }
        }
        catch (AmqpError error)
        {
            if (error.IsUnreadable)
            {
                Broker.History.Failed(this, null, error);
                Drop(reset: true);
                return;
            }
            // What is wrong in the middle of a content is laid to its method.
            if (error.Code is ReplyCode.UnexpectedFrame or ReplyCode.PreconditionFailed && frame.Channel != 0
                && _channels.TryGetValue(frame.Channel, out Channel? publishing) && publishing.IsPublishing)
                method = Method.BasicPublish;
            if (error.IsHard || frame.Channel == 0 || !_channels.TryGetValue(frame.Channel, out Channel? channel))
                Fail(error, method);
            else channel.Fail(error, method);
        }
    }

    private void OnChannelFrame(Frame frame, uint method)
    {
        if (!IsOpen)
            throw Unexpected(frame);
        if (_channels.TryGetValue(frame.Channel, out Channel? channel))
        {
            channel.OnFrame(frame, method);
            if (frame.Type is Frame.Header or Frame.Body && Broker.Alarm is not null)
                Block();
            return;
        }
        if (frame.Type == Frame.Method && !Method.IsKnown(method))
            throw UnknownMethod(method);
        if (method != Method.ChannelOpen)
        {
            // What a client sent before it saw that the channel is closed is no mistake of its own.
            if (method is Method.ChannelCloseOk or Method.ChannelClose)
                return;
            throw new AmqpError(ReplyCode.ChannelError, "expected 'channel.open'");
        }
        OpenChannel(frame.Channel);
    }

    private void OpenChannel(ushort number)
    {
        if (_channelMax != 0 && (_channels.Count >= _channelMax))
            throw new AmqpError(ReplyCode.NotAllowed, $"number of channels opened ({_channels.Count}) has reached "
                + $"the negotiated channel_max ({_channelMax})");
        var channel = new Channel(this, number);
        _channels.Add(number, channel);
        Broker.History.Received(channel, "channel.open");
        if (Broker.Faults.Meets(new FaultScene(this, channel, Method.ChannelOpen)))
        {
            // What is answered late comes here again.
            if (_late is not null)
                _channels.Remove(number);
            return;
        }
        Send(number, Broker.Writer.Start(Method.ChannelOpenOk).Long(0));
    }

    public void Forget(Channel channel) => _channels.Remove(channel.Number);

    private static AmqpError UnknownMethod(uint method) =>
        new(ReplyCode.CommandInvalid, $"unknown method {{{Method.Class(method)},{Method.Number(method)}}}");

    private static AmqpError Unexpected(Frame frame) =>
        new(ReplyCode.UnexpectedFrame, $"type {frame.Type}, {ErlangText.Snippet(frame.Payload)}");
}
