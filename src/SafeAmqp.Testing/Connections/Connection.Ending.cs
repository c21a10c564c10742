using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Connections;

/// <summary>Heartbeats, alarms, and all the ways in which a connection ends.</summary>
internal sealed partial class Connection
{
    private LoopTimers.Entry? _heartbeat;
    private long _lastReceived;
    private long _lastWritten;
    private int _silentBeats;

    /// <summary>
    /// Sends after half the interval without other output; silence for two intervals is the end (4.2.7).
    /// </summary>
    private void StartHeartbeats(ushort seconds)
    {
        if (seconds == 0)
            return;
        long half = seconds * 500L;
        _heartbeat = Broker.Loop.Timers.After(half, Beat);

        void Beat()
        {
            if (Stage == ConnectionStage.Closed)
                return;
            long received = Interlocked.Read(ref _peer.Received);
            _silentBeats = received == _lastReceived ? _silentBeats + 1 : 0;
            _lastReceived = received;
            // A blocked connection is not read, so its silence proves nothing.
            if (_silentBeats >= 4 && !IsPaused && !IsFrozen)
            {
                Drop(reset: false);
                return;
            }
            if (_peer.Written == _lastWritten && !IsFrozen)
                Sender.Heartbeat();
            _lastWritten = _peer.Written;
            _heartbeat = Broker.Loop.Timers.After(half, Beat);
        }
    }

    /// <summary>
    /// Content came during an alarm: the client is told (connection.blocked), and the frame behind it is not read until
    /// the alarm is over. A message that ended with this frame has been taken in; one with more to come waits, as in
    /// RabbitMQ.
    /// </summary>
    private void Block()
    {
        if (_isBlocked || !IsOpen)
            return;
        _isBlocked = true;
        if (Can("connection.blocked"))
            Send(0, Broker.Writer.Start(Method.ConnectionBlocked).ShortString(Broker.Alarm!));
    }

    /// <summary>The alarm is over.</summary>
    public void Unblock()
    {
        if (!_isBlocked)
            return;
        _isBlocked = false;
        _silentBeats = 0;
        if (Can("connection.blocked"))
            Send(0, Broker.Writer.Start(Method.ConnectionUnblocked));
        Broker.Loop.Post(_peer);
    }

    /// <summary>The method at hand is kept, and done after a time; called from within it.</summary>
    public void AnswerLate(TimeSpan delay) => _late = delay;

    private void HoldBack(Frame frame, TimeSpan delay)
    {
        _late = null;
        if (Stage == ConnectionStage.Closing)
            return;
        _isLate = true;
        (byte type, ushort channel, byte[] payload) = (frame.Type, frame.Channel, frame.Payload.ToArray());
        Broker.Loop.Timers.After((long)delay.TotalMilliseconds, () =>
        {
            if (Stage == ConnectionStage.Closed || !_isLate)
                return;
            _isLate = false;
            Replayed = BinaryPrimitives.ReadUInt32BigEndian(payload);
            try
            {
                OnFrame(new Frame(type, channel, payload));
            }
            catch (Exception error)
            {
                Crashed(error);
            }
            finally
            {
                Replayed = 0;
            }
            Broker.Loop.Post(_peer);
        });
    }

    public void Freeze() => IsFrozen = true;

    public void SlowTo(long bytesPerSecond, FaultDirection direction)
    {
        if (direction is FaultDirection.ToClient or FaultDirection.Both)
            _peer.SlowOutputTo(bytesPerSecond);
        if (direction is FaultDirection.ToBroker or FaultDirection.Both)
            _peer.SlowInputTo(bytesPerSecond);
    }

    public void CutAfter(long bytes) => _peer.CutAfter(bytes);

    public void WriteRaw(ReadOnlySpan<byte> bytes) => _peer.Write(bytes);

    /// <summary>Closes by protocol: tells the client why, and waits for its answer only so long.</summary>
    public void Fail(AmqpError error, uint method)
    {
        if (Stage is ConnectionStage.Closing or ConnectionStage.Closed)
            return;
        Broker.History.Failed(this, null, error);
        ReleaseChannels();
        // What kills a process of RabbitMQ is laid to no method.
        if (error.Code == ReplyCode.InternalError)
            method = 0;
        // Before the login only a client that said it can hear of a failure is told one.
        if (Stage == ConnectionStage.Header
            || Stage == ConnectionStage.Starting && !Can("authentication_failure_close"))
        {
            End();
            return;
        }
        Stage = ConnectionStage.Closing;
        IsFrozen = false;
        _isBlocked = false;
        _isLate = false;
        Send(0, Broker.Writer.Start(Method.ConnectionClose).Short(error.Code).ShortString(error.Text)
            .Short(Method.Class(method)).Short(Method.Number(method)));
        _deadline?.Cancel();
        _deadline = Broker.Loop.Timers.After(10_000, () => Drop(reset: false));
        // Its answer may lie behind what was not read up to now.
        Broker.Loop.Post(_peer);
    }

    /// <summary>Ends after what was written has left.</summary>
    public void End()
    {
        if (Stage == ConnectionStage.Closed)
            return;
        Finish();
        _peer.End();
        _peer.EndInput();
    }

    /// <summary>Closes the socket at once, without a word.</summary>
    public void Drop(bool reset)
    {
        if (Stage == ConnectionStage.Closed)
            return;
        Finish();
        _peer.Abort(reset);
        _peer.EndInput();
    }

    private void Ending() => Drop(reset: false);

    private void Finish()
    {
        ReleaseChannels();
        Stage = ConnectionStage.Closed;
        _deadline?.Cancel();
        _heartbeat?.Cancel();
        Broker.Connections.Remove(this);
        Broker.History.Received(this, "connection.closed");
    }

    /// <summary>Unsettled messages go back to their queues, exclusive queues go away.</summary>
    private void ReleaseChannels()
    {
        Channel[] channels = [.. _channels.Values];
        _channels.Clear();
        _toConfirm.Clear();
        foreach (Channel channel in channels)
            channel.Release();
        foreach (BrokerQueue queue in ExclusiveQueues.ToArray())
            queue.Delete(notify: false);
    }
}
