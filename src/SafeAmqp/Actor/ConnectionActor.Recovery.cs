namespace SafeAmqp.Actor;

// Connecting, preparing, losing the link and waiting, and the watch for a broker that is dead or no longer reads.
internal abstract partial class ConnectionActor
{
    /// <summary>Nothing received for so many heartbeats means dead. The broker sends one each half interval, so this is
    /// two that did not come; RabbitMQ.Client itself waits for more than two whole intervals, and for ever while writes
    /// are stuck.</summary>
    private const double DeadAfterHeartbeats = 1.5;

    /// <summary>How much longer than its own time-out an attempt may take before the actor gives it up.</summary>
    private static readonly long ConnectGrace = TimeSpan.FromSeconds(1).Ticks;

    private long _stateSince;
    private long _notOpenSince = ActorTime.Never;
    private bool _wasOpen;
    private long _blockedBefore; // ticks of finished blocks
    private long _blockedSince;
    private int _attempt;
    private int _backOff; // waits since a link was last open for longer than the wait before it
    private bool _refused;
    private long _nextAttemptAt = ActorTime.Never;
    private long _giveUpAt = ActorTime.Never;
    private TimeSpan _within; // how long the attempt may take
    private Probe _opening = new();

    internal AmqpLinkState State { get; private set; }

    /// <summary>The number of the current or last connection.</summary>
    internal int Epoch { get; private set; }

    /// <summary>Whether there is a connection to open channels on.</summary>
    internal bool IsConnected { get; private set; }

    internal bool IsBlocked => BlockedReason is not null;

    /// <summary>When the broker last ended a block: until then it read nothing.</summary>
    internal long UnblockedAt { get; private set; } = long.MinValue / 2;

    /// <summary>How often the link was opened again after a loss.</summary>
    internal long Recoveries { get; private set; }

    internal string? LastError { get; private set; }
    internal string? BlockedReason { get; private set; }

    /// <summary>Attempts to connect since the link was last open.</summary>
    internal int RecoveryAttempt => _attempt;
    internal long NextAttemptAt => State == AmqpLinkState.Waiting ? _nextAttemptAt : ActorTime.Never;

    internal bool MayPublish
        => IsConnected && State is AmqpLinkState.Open or AmqpLinkState.Closing && BlockedReason is null;

    /// <summary>The host that the link is or was last connected to.</summary>
    protected string? Host { get; private set; }

    internal bool MayRepublish => Settings.Republish && State is not (AmqpLinkState.Closing or AmqpLinkState.Closed);

    /// <summary>A channel or consumer got its answer: the link may be ready now.</summary>
    internal void ChannelSettled()
    {
        if (State != AmqpLinkState.Preparing || !IsReady)
            return;
        _refused = false;
        MoveTo(AmqpLinkState.Open, Host ?? "");
        _attempt = 0; // after the state: see Status
        if (_wasOpen)
        {
            Recoveries++;
            Events.Recovered(TimeSpan.FromTicks(Now - _notOpenSince));
        }
        _wasOpen = true;
        _notOpenSince = ActorTime.Never;
        foreach (ActorCommand.WaitOpen waiter in _openWaiters)
            waiter.Completion.TryComplete(true);
        _openWaiters.Clear();
    }

    private void HandleLinkSignal(BrokerSignal signal)
    {
        switch (signal)
        {
            case BrokerSignal.Connected connected when connected.Epoch == Epoch && State == AmqpLinkState.Connecting:
                (Host, ChannelMax) = (connected.Host, connected.ChannelMax);
                _refused = false; // the last attempt may have been refused; this one was not
                BeginPreparing();
                break;
            case BrokerSignal.ConnectFailed failed when failed.Epoch == Epoch && State == AmqpLinkState.Connecting:
                Host = failed.Host;
                _refused = failed.Refused;
                LoseLink(failed.End);
                break;
            case BrokerSignal.LinkLost lost when lost.Epoch == Epoch && IsConnected:
                // 530 while preparing is the broker's answer to a virtual host that may not be used; the client reports
                // it as a close.
                _refused = State == AmqpLinkState.Preparing && lost.End.Code is 403 or 530;
                LoseLink(lost.End);
                break;
            // It may come before Connected, when the broker is quick; after the loss it would outlive its link.
            case BrokerSignal.Blocked blocked when blocked.Epoch == Epoch
                && (IsConnected || State == AmqpLinkState.Connecting):
                if (BlockedReason is null)
                    _blockedSince = Now;
                BlockedReason ??= blocked.Reason;
                Events.Blocked(blocked.Reason);
                break;
            case BrokerSignal.Unblocked unblocked when unblocked.Epoch == Epoch && BlockedReason is not null:
                Events.Unblocked(TimeSpan.FromTicks(Now - _blockedSince));
                EndBlock();
                break;
        }
    }

    private void Connect()
    {
        Epoch++;
        _attempt++;
        _nextAttemptAt = ActorTime.Never;
        // A caller that waits for the first connection waits for one time-out in all: each host gets its part of it.
        bool isShared = IsWaitedFor && Settings.Hosts > 1;
        _within = isShared ? Settings.ConnectTimeout / Settings.Hosts : Settings.ConnectTimeout;
        _giveUpAt = Now + _within.Ticks + (isShared ? 0 : ConnectGrace);
        WakeAt(_giveUpAt);
        MoveTo(AmqpLinkState.Connecting, $"attempt {_attempt}");
        Host = Link.Connect(Epoch, _within);
    }

    // Each part that must be ready before the link is used reports through ChannelSettled.
    private void BeginPreparing()
    {
        IsConnected = true;
        _giveUpAt = ActorTime.Never;
        MoveTo(AmqpLinkState.Preparing, Host ?? "");
        WakeAt(Now + Settings.Heartbeat.Ticks / 2);
        Prepare();
    }

    private void LoseLink(CloseReason end)
    {
        bool wasConnected = IsConnected;
        bool wasOpenForAWhile = State == AmqpLinkState.Open
            && Now - _stateSince >= Settings.Reconnect.Bound(_backOff).Ticks;
        _backOff = wasOpenForAWhile ? 1 : _backOff + 1;
        IsConnected = false;
        _giveUpAt = ActorTime.Never;
        _opening.Answered();
        LastError = end.Describe();
        EndBlock();
        Link.Abandon(Epoch, politely: false);
        OnLinkLost();
        if (State == AmqpLinkState.Closing)
        {
            FinishClose(end);
            return;
        }
        if (wasConnected)
            LoseChannels(end);
        _lastEnd = end;
        bool isRoundOver = _attempt >= Settings.Hosts || _refused;
        if (isRoundOver)
            FailFast(end, ActorTime.Never);
        // A declaration over which the broker closes the connection is tried again on the next one: without this delay
        // it would end each new connection at once.
        TimeSpan delay = IsWaitedFor && !isRoundOver ? TimeSpan.Zero
            : Settings.Reconnect.Delay(Math.Max(_backOff, LinksEnded), random(), _refused);
        _nextAttemptAt = Now + delay.Ticks;
        WakeAt(_nextAttemptAt);
        MoveTo(AmqpLinkState.Waiting, $"{LastError}; next attempt in {delay.TotalMilliseconds:0} ms", LastError);
    }

    private void EndBlock()
    {
        if (BlockedReason is null)
            return;
        BlockedReason = null;
        _blockedBefore += Now - _blockedSince;
        UnblockedAt = Now;
    }

    private long AdvanceLink(long now)
    {
        if (_giveUpAt <= now)
        {
            _giveUpAt = ActorTime.Never;
            _refused = false;
            LoseLink(CloseReason.Local($"connecting took longer than {_within.TotalSeconds:0.###} s",
                new TimeoutException("Connecting timed out.")));
        }
        if (_nextAttemptAt <= now && State == AmqpLinkState.Waiting)
            Connect();
        return Math.Min(Math.Min(ExpireWaiters(now), Math.Min(_giveUpAt, _nextAttemptAt)),
            Math.Min(Watch(now), Math.Min(Listen(now), AdvanceVerbs(now))));
    }

    // A blocked broker stops reading, but still sends heartbeats: only silence is death.
    private long Watch(long now)
    {
        if (!IsConnected)
            return ActorTime.Never;
        long allowed = (long)(Settings.Heartbeat.Ticks * DeadAfterHeartbeats);
        LinkTraffic traffic = Link.Traffic(Epoch);
        if (traffic.LastReceived is not { } last || traffic.HasUnread)
            return now + allowed;
        if (now - last < allowed)
            return last + allowed;
        LoseLink(CloseReason.Local($"nothing was received for {TimeSpan.FromTicks(now - last).TotalSeconds:0.0} s "
            + $"(heartbeat {Settings.Heartbeat.TotalSeconds:0.###} s)"));
        return ActorTime.Never;
    }

    // Any answer on a channel shows that the broker reads. Readied is our own signal.
    private void Heard(BrokerSignal.OfChannel signal)
    {
        if (_opening.IsAsked && signal is not BrokerSignal.Readied)
            _opening.Answered();
    }

    private void AskedToOpen()
    {
        if (!_opening.IsAsked)
            _opening.Ask(Now);
        WakeAt(Now + Probe.Patience);
    }

    /// <summary>A broker opens a channel at once. One that does not, and answers nothing else, no longer reads this
    /// connection, although its heartbeats arrive. RabbitMQ 3.10 did so for 43 s after the leader of a quorum queue was
    /// killed, until it closed the connection itself.</summary>
    private long Listen(long now)
    {
        if (!IsConnected || !_opening.IsAsked || State == AmqpLinkState.Closing)
            return ActorTime.Never;
        if (IsBlocked)
        {
            _opening.Ask(now); // it reads nothing for a known reason, and will resume
            return now + Probe.Patience;
        }
        if (!_opening.IsUnheard(now, Link.Traffic(Epoch), out long next))
            return next;
        LoseLink(CloseReason.Unanswered(
            "the broker sends heartbeats and opens no channel: it does not read this connection any more"));
        return ActorTime.Never;
    }

    private void MoveTo(AmqpLinkState next, string detail, string? reason = null)
    {
        if (!Lifecycle.Allows(State, next))
            throw new InvalidOperationException($"A link cannot go from {State} to {next}. This is a bug in SafeAmqp.");
        AmqpLinkState before = State;
        Events.StateChanged(before, next, detail, reason);
        if (next is not (AmqpLinkState.Open or AmqpLinkState.Closing or AmqpLinkState.Closed)
            && _notOpenSince == ActorTime.Never)
            _notOpenSince = Now;
        State = next;
        _stateSince = Now;
        Events.Moved(before, next, reason); // last: a listener finds it in the status
    }
}
