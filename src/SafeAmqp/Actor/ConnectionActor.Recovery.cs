using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Topology;

namespace SafeAmqp.Actor;

// Connecting, preparing, losing and waiting: from the first start to the last close.
internal sealed partial class ConnectionActor
{
    /// <summary>Nothing received for so many heartbeats means dead. The broker sends one each half interval, so this is two that did not
    /// come; RabbitMQ.Client itself waits for more than two whole intervals, and for ever while writes are stuck.</summary>
    private const double DeadAfterHeartbeats = 1.5;

    /// <summary>What an attempt may take beyond its own time-out before it is given up from here.</summary>
    private static readonly long ConnectGrace = TimeSpan.FromSeconds(1).Ticks;

    private readonly List<ActorCommand.WaitOpen> _openWaiters = [];
    private long _stateSince;
    private long _notOpenSince = ActorClock.Never;
    private bool _wasOpen;
    private long _recoveries;
    private long _blockedBefore;
    private string? _host;
    private string? _lastError;
    private string? _blockedReason;
    private long _blockedSince;
    private int _attempt;
    private bool _refused;
    private long _nextAttemptAt = ActorClock.Never;
    private long _giveUpAt = ActorClock.Never;
    private int _replaysLeft;

    internal AmqpLinkState State { get; private set; }

    /// <summary>The number of the current or last connection.</summary>
    internal int Epoch { get; private set; }

    /// <summary>Whether there is a connection to open channels on.</summary>
    internal bool IsConnected { get; private set; }

    internal bool MayPublish => IsConnected && State is AmqpLinkState.Open or AmqpLinkState.Closing && _blockedReason is null;

    internal bool MayRepublish => Settings.Republish && State is not (AmqpLinkState.Closing or AmqpLinkState.Closed);

    /// <summary>A channel or consumer got its answer: the link may be ready now.</summary>
    internal void ChannelSettled()
    {
        if (State != AmqpLinkState.Preparing || _replaysLeft > 0 || !Admin.IsOpen)
            return;
        if (Settings.Publishes && !(_lane.IsSettled && Replies.IsSettled && _directLane is not { IsSettled: false }))
            return;
        if (!_consumers.TrueForAll(consumer => consumer.IsSettled))
            return;
        _attempt = 0;
        _refused = false;
        MoveTo(AmqpLinkState.Open, _host ?? "");
        if (_wasOpen)
        {
            _recoveries++;
            Events.Recovered(TimeSpan.FromTicks(Now - _notOpenSince));
        }
        _wasOpen = true;
        _notOpenSince = ActorClock.Never;
        foreach (ActorCommand.WaitOpen waiter in _openWaiters)
            waiter.Completion.TryComplete(true);
        _openWaiters.Clear();
    }

    private void HandleLinkSignal(BrokerSignal signal)
    {
        switch (signal)
        {
            case BrokerSignal.Connected connected when connected.Epoch == Epoch && State == AmqpLinkState.Connecting:
                _host = connected.Host;
                _refused = false; // whatever the last attempt was told: this one was let in
                Prepare();
                break;
            case BrokerSignal.ConnectFailed failed when failed.Epoch == Epoch && State == AmqpLinkState.Connecting:
                _host = failed.Host;
                _refused = failed.Refused;
                LoseLink(failed.End);
                break;
            case BrokerSignal.LinkLost lost when lost.Epoch == Epoch && IsConnected:
                // 530 while preparing is the broker's answer to a virtual host that may not be used; the client reports it as a close.
                _refused = State == AmqpLinkState.Preparing && lost.End.Code is 403 or 530;
                LoseLink(lost.End);
                break;
            // It may come before Connected, when the broker is quick; after the loss it would outlive its link.
            case BrokerSignal.Blocked blocked when blocked.Epoch == Epoch && (IsConnected || State == AmqpLinkState.Connecting):
                if (_blockedReason is null)
                    _blockedSince = Now;
                _blockedReason ??= blocked.Reason;
                Events.Blocked(blocked.Reason);
                break;
            case BrokerSignal.Unblocked unblocked when unblocked.Epoch == Epoch && _blockedReason is not null:
                Events.Unblocked(TimeSpan.FromTicks(Now - _blockedSince));
                EndBlock();
                break;
        }
    }

    private void Start()
    {
        if (State == AmqpLinkState.Idle)
            Connect();
    }

    private void Connect()
    {
        Epoch++;
        _attempt++;
        _nextAttemptAt = ActorClock.Never;
        _giveUpAt = Now + Settings.ConnectTimeout.Ticks + ConnectGrace;
        WakeAt(_giveUpAt);
        MoveTo(AmqpLinkState.Connecting, $"attempt {_attempt}");
        Link.Connect(Epoch);
    }

    // Everything that has to stand before the link is used; each part reports through ChannelSettled.
    private void Prepare()
    {
        IsConnected = true;
        _giveUpAt = ActorClock.Never;
        MoveTo(AmqpLinkState.Preparing, _host ?? "");
        WakeAt(Now + Settings.Heartbeat.Ticks / 2);
        _topologyErrors = [];
        IReadOnlyList<TopologyItem> replay = _topology.ForLink(Settings.OwnsExclusiveQueues);
        _replaysLeft = replay.Count;
        Admin.EnqueueFirst(replay, Replayed);
        Admin.Prepare();
        if (Settings.Publishes)
        {
            _lane.Prepare();
            _directLane?.Prepare();
        }
        if (_replaysLeft == 0)
            PrepareConsumers();
    }

    // After the topology: a queue that the broker lost must be back before it is consumed.
    private void PrepareConsumers()
    {
        Replies.Prepare();
        foreach (var consumer in _consumers.ToArray())
            consumer.Prepare();
        ChannelSettled();
    }

    private void LoseLink(CloseReason end)
    {
        bool wasConnected = IsConnected;
        IsConnected = false;
        _giveUpAt = ActorClock.Never;
        _replaysLeft = 0;
        _opening.Answered();
        ForgetUnanswered();
        _lastError = end.Describe();
        EndBlock();
        Link.Abandon(Epoch, politely: false);
        Exchanges.Forget();
        if (State == AmqpLinkState.Closing)
        {
            FinishClose(end);
            return;
        }
        if (wasConnected)
        {
            ConsumerChannel? poisoned = PoisonedBy(end);
            foreach (ActorChannel place in Places())
                place.LoseLink(end);
            poisoned?.StopPoisoned(end);
        }
        FailFastWaiters(end);
        // A declaration over which the broker closes the connection waits for the next one: without this it would end each as soon as it is open.
        TimeSpan delay = Settings.Reconnect.Delay(Math.Max(1, Math.Max(_attempt, Admin.LinksEnded)), _random(), _refused);
        _nextAttemptAt = Now + delay.Ticks;
        WakeAt(_nextAttemptAt);
        MoveTo(AmqpLinkState.Waiting, $"{_lastError}; next attempt in {delay.TotalMilliseconds:0} ms", _lastError);
    }

    private void EndBlock()
    {
        if (_blockedReason is null)
            return;
        _blockedBefore += Now - _blockedSince;
        UnblockedAt = Now;
        _blockedReason = null;
    }

    // The broker gives a message that was not settled again, and again it would end the link, for all that are on it.
    private ConsumerChannel? PoisonedBy(CloseReason end)
        => end.Suspect is { } suspect && _channels.TryGetValue(suspect.Incarnation, out ActorChannel? place)
            && place is ConsumerChannel consumer && consumer.HasEndedTheLinkBefore(suspect) ? consumer : null;

    // Every host had its turn.
    private void FailFastWaiters(CloseReason end)
    {
        if (_attempt < Settings.Hosts && !_refused)
            return;
        foreach (ActorCommand.WaitOpen waiter in _openWaiters.FindAll(waiter => waiter.FailFast))
        {
            _openWaiters.Remove(waiter);
            string what = _refused ? "The broker refused the connection" : "No broker could be reached";
            waiter.Completion.TryFail(new AmqpConnectException($"{what}: {end.Describe()}. {Snapshot()}", _refused, end.Error)
            {
                ReplyCode = end.ByBroker ? end.Code : null,
                ReplyText = end.ByBroker ? end.Text : null,
                Status = Snapshot(),
            });
        }
    }

    private void WaitOpen(ActorCommand.WaitOpen wait)
    {
        if (State == AmqpLinkState.Open)
            wait.Completion.TryComplete(true);
        else if (State == AmqpLinkState.Closing)
            wait.Abandon(this);
        else
            _openWaiters.Add(wait);
    }

    private long AdvanceLink(long now)
    {
        if (_giveUpAt <= now)
        {
            _giveUpAt = ActorClock.Never;
            _refused = false;
            LoseLink(new CloseReason(0, $"connecting took longer than {Settings.ConnectTimeout.TotalSeconds:0.###} s", ByBroker: false,
                new TimeoutException("Connecting timed out.")));
        }
        if (_nextAttemptAt <= now && State == AmqpLinkState.Waiting)
            Connect();
        return Math.Min(Math.Min(_giveUpAt, _nextAttemptAt), Math.Min(Watch(now), Math.Min(Listen(now), Redeclare(now))));
    }

    // A blocked broker stops reading, but still sends heartbeats: only silence is death.
    private long Watch(long now)
    {
        if (!IsConnected)
            return ActorClock.Never;
        long allowed = (long)(Settings.Heartbeat.Ticks * DeadAfterHeartbeats);
        LinkTraffic traffic = Link.Traffic(Epoch);
        if (traffic.LastReceived is not { } last || traffic.HasUnread)
            return now + allowed;
        if (now - last < allowed)
            return last + allowed;
        LoseLink(new CloseReason(0, $"nothing was received for {TimeSpan.FromTicks(now - last).TotalSeconds:0.0} s (heartbeat {Settings.Heartbeat.TotalSeconds:0.###} s)",
            ByBroker: false));
        return ActorClock.Never;
    }

    private void MoveTo(AmqpLinkState next, string detail, string? reason = null)
    {
        if (!Lifecycle.Allows(State, next))
            throw new InvalidOperationException($"A link cannot go from {State} to {next}. This is a bug in SafeAmqp.");
        Events.StateChanged(State, next, Epoch, detail, reason);
        if (next is not (AmqpLinkState.Open or AmqpLinkState.Closing or AmqpLinkState.Closed) && _notOpenSince == ActorClock.Never)
            _notOpenSince = Now;
        State = next;
        _stateSince = Now;
    }
}
