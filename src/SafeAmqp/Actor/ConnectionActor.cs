using SafeAmqp.Telemetry;

namespace SafeAmqp.Actor;

/// <summary>The decisions of one link: when to connect, when it is ready, lost or closed. What the link is used for is
/// up to the derived class. Synchronous and deterministic: no tasks, locks, clock or randomness inside. Commands,
/// signals and the time go in; calls on <see cref="IBrokerLink"/> and completions come out. The same messages at the
/// same times give the same history.</summary>
/// <remarks>Invariants: every signal is checked against the epoch or the incarnation that it is stamped with; every job
/// that was accepted ends exactly once; jobs are passed on only in <see cref="AmqpLinkState.Open"/>, or in
/// <see cref="AmqpLinkState.Closing"/> while the link is up. Only the I/O thread calls it. The members that the status
/// is made of may be read by any thread at any time: each value is right on its own, two need not be of the same
/// moment.</remarks>
internal abstract partial class ConnectionActor(ActorSettings settings, IBrokerLink link, LinkEvents events,
    Func<double> random, Func<AmqpClientStatus> snapshot)
{
    /// <summary>Deadlines are checked no more often than this: well within the 250 ms in which an operation ends after
    /// its deadline.</summary>
    private static readonly long DeadlineGrain = TimeSpan.FromMilliseconds(50).Ticks;

    private readonly Dictionary<long, ActorChannel> _channels = [];
    private readonly List<ActorChannel> _toFlush = [];
    private readonly List<ActorCommand.Close> _closers = [];
    private readonly List<ActorCommand.WaitOpen> _openWaiters = [];
    private CloseReason? _lastEnd; // of the last link or attempt
    private long _lastIncarnation;
    private long _wakeAt = ActorTime.Never;
    private long _closeBy = ActorTime.Never;
    private Exception? _crash;

    internal ActorSettings Settings => settings;
    internal IBrokerLink Link => link;
    internal LinkEvents Events => events;

    /// <summary>The time of the message that is being handled.</summary>
    internal long Now { get; private set; }

    /// <summary>When the actor wants to be advanced even if nothing happens.</summary>
    internal long NextWake => _wakeAt;

    internal bool IsClosed => State == AmqpLinkState.Closed;

    /// <summary>How many answers are waited for, by callers here and by those whose messages were delivered.</summary>
    internal abstract int Unanswered { get; }

    /// <summary>Whether everything is ready that the link needs before it is open.</summary>
    protected abstract bool IsReady { get; }

    /// <summary>Whether nothing waits that closing should wait for.</summary>
    protected abstract bool IsIdle { get; }

    /// <summary>How many links in a row ended over the same declaration: it waits longer for each next one.</summary>
    protected abstract int LinksEnded { get; }

    /// <summary>The link's channels. One may leave while it is visited.</summary>
    protected abstract IEnumerable<ActorChannel> Channels { get; }

    internal void Handle(IActorMessage message, long now)
    {
        Now = now;
        switch (message)
        {
            case BrokerSignal.OfChannel signal:
                if (_channels.TryGetValue(signal.Incarnation, out ActorChannel? channel))
                {
                    Heard(signal);
                    channel.Dispatch(signal);
                }
                break; // otherwise of a channel that is gone
            case BrokerSignal signal:
                HandleLinkSignal(signal);
                break;
            default:
                if (IsClosed)
                    message.Abandon(this);
                else
                    HandleCommand(message);
                break;
        }
    }

    /// <summary>Does what has become possible or due. Called after each batch of messages, and when
    /// <see cref="NextWake"/> comes.</summary>
    internal void Advance(long now)
    {
        Now = now;
        for (int i = 0; i < _toFlush.Count;)
        {
            if (_toFlush[i].Flush())
                _toFlush.RemoveAt(i);
            else
                i++;
        }
        Pump(now);
        if (now >= _wakeAt)
            ActOnTime(now);
        if (State == AmqpLinkState.Closing)
            CloseWhenIdle(now);
    }

    /// <summary>Sends what was passed on since the last time. Called after each batch of messages.</summary>
    internal void Flush()
    {
        if (!IsClosed)
            Link.Flush();
    }

    internal void WakeAt(long time) => _wakeAt = Math.Min(_wakeAt, time);

    internal long NewIncarnation(ActorChannel channel)
    {
        _channels.Add(++_lastIncarnation, channel);
        AskedToOpen();
        return _lastIncarnation;
    }

    internal void RetireIncarnation(long incarnation) => _channels.Remove(incarnation);

    internal void FlushLater(ActorChannel channel)
    {
        if (!_toFlush.Contains(channel))
            _toFlush.Add(channel);
    }

    internal TimeSpan RetryDelay(int attempt) => Settings.Reconnect.Delay(attempt, random(), refused: false);

    internal AmqpClientStatus Snapshot() => snapshot();

    internal ObjectDisposedException DisposedError() => new(nameof(AmqpClient), _crash is null
        ? "The client was disposed."
        : $"The client's I/O thread ended by a bug in SafeAmqp: {_crash.Message}");

    /// <summary>The thread crashed over a bug. Everything ends with an error that says so.</summary>
    internal void Crash(Exception error)
    {
        _crash = error;
        LastError = $"bug in SafeAmqp: {error.Message}";
        FinishClose(CloseReason.Local(LastError, error));
    }

    /// <summary>Handles a command of a verb. Not called once the link is closed.</summary>
    protected abstract void HandleVerb(IActorMessage command);

    /// <summary>The link is connected: prepares what it needs before it is open.</summary>
    protected abstract void Prepare();

    /// <summary>The link is lost, or could not be made. Called before its channels learn of it.</summary>
    protected abstract void OnLinkLost();

    /// <summary>The link was up: its channels are lost with it.</summary>
    protected virtual void LoseChannels(CloseReason end)
    {
        foreach (ActorChannel channel in Channels)
            channel.LoseLink(end);
    }

    /// <summary>Passes on what the broker and the channels allow.</summary>
    protected abstract void Pump(long now);

    /// <summary>Ends what the deadline has reached.</summary>
    /// <returns>The earliest deadline that is left.</returns>
    protected abstract long Expire(long now);

    /// <summary>Does what else is due, whether the link is up or down.</summary>
    /// <returns>When to be asked again.</returns>
    protected abstract long AdvanceVerbs(long now);

    /// <summary>The client is being disposed: ends what is not worth waiting for.</summary>
    protected abstract void BeginClose();

    /// <summary>Ends everything; publishes first.</summary>
    protected abstract void EndAll(CloseReason end);

    /// <summary>The channel that has an incarnation; null when it is gone.</summary>
    protected ActorChannel? ChannelOf(long incarnation) => _channels.GetValueOrDefault(incarnation);

    private void ActOnTime(long now)
    {
        _wakeAt = ActorTime.Never;
        long deadline = Expire(now);
        if (deadline != ActorTime.Never)
            WakeAt(Math.Max(deadline, now + DeadlineGrain));
        foreach (ActorChannel channel in Channels)
            WakeAt(channel.Advance(now));
        WakeAt(AdvanceLink(now));
        if (State == AmqpLinkState.Closing)
            WakeAt(_closeBy);
    }

    private void HandleCommand(IActorMessage command)
    {
        switch (command)
        {
            case ActorCommand.Start:
                if (State == AmqpLinkState.Idle)
                    Connect();
                break;
            case ActorCommand.WaitOpen wait:
                WaitOpen(wait);
                break;
            case ActorCommand.Close close:
                Close(close);
                break;
            default:
                HandleVerb(command);
                break;
        }
    }

    private bool IsWaitedFor => _openWaiters.Exists(waiter => waiter.FailFast);

    private void WaitOpen(ActorCommand.WaitOpen wait)
    {
        if (State == AmqpLinkState.Open)
        {
            wait.Completion.TryComplete(true);
        }
        else if (State == AmqpLinkState.Closing)
        {
            wait.Abandon(this);
        }
        else
        {
            _openWaiters.Add(wait);
            WakeAt(wait.Deadline);
        }
    }

    // A host may be connected to and answer nothing more.
    private long ExpireWaiters(long now)
    {
        if (_openWaiters.Exists(waiter => waiter.Deadline <= now))
        {
            FailFast(_lastEnd ?? CloseReason.Local(
                $"{Host} did not answer within {Settings.ConnectTimeout.TotalSeconds:0.###} s",
                new TimeoutException("Connecting timed out.")), now);
        }
        return _openWaiters.Count == 0 ? ActorTime.Never : _openWaiters.Min(waiter => waiter.Deadline);
    }

    private void FailFast(CloseReason end, long dueBy)
    {
        string what = _refused ? "The broker refused the connection" : "No broker could be reached";
        AmqpClientStatus status = Snapshot();
        foreach (ActorCommand.WaitOpen waiter in _openWaiters.FindAll(waiter => waiter.FailFast
            && (dueBy == ActorTime.Never || waiter.Deadline <= dueBy)))
        {
            _openWaiters.Remove(waiter);
            waiter.Completion.TryFail(
                new AmqpConnectException($"{what}: {end.Describe().TrimEnd('.')}.", _refused, status, end));
        }
    }

    private void AbandonOpenWaiters()
    {
        foreach (ActorCommand.WaitOpen waiter in _openWaiters)
            waiter.Abandon(this);
        _openWaiters.Clear();
    }

    // Waits until the deadline for answers to what was sent, then ends everything.
    private void Close(ActorCommand.Close close)
    {
        _closers.Add(close);
        _closeBy = Math.Min(_closeBy, close.Deadline);
        WakeAt(_closeBy);
        if (State == AmqpLinkState.Closing)
            return;
        MoveTo(AmqpLinkState.Closing, "disposed");
        BeginClose();
        AbandonOpenWaiters();
    }

    private void CloseWhenIdle(long now)
    {
        if (IsIdle || !MayPublish || now >= _closeBy)
            FinishClose(CloseReason.Local("the client was disposed"));
    }

    // Operations end first; connection.close comes last, as it may take time.
    private void FinishClose(CloseReason end)
    {
        bool wasConnected = IsConnected;
        IsConnected = false;
        EndAll(end);
        AbandonOpenWaiters();
        if (State != AmqpLinkState.Closed)
            MoveTo(AmqpLinkState.Closed, end.Text);
        Link.Abandon(Epoch, politely: wasConnected && _crash is null);
        foreach (ActorCommand.Close closer in _closers)
            closer.Completion.TryComplete(true);
        _closers.Clear();
    }
}
