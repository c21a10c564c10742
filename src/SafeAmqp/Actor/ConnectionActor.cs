using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;

namespace SafeAmqp.Actor;

/// <summary>
/// The decisions of one link. Synchronous and deterministic: no tasks, locks, clock or randomness inside. Commands, signals and the time
/// go in; calls on <see cref="IBrokerLink"/> and completions come out. The same messages at the same times give the same history.
/// </summary>
/// <remarks>
/// Invariants: every signal is checked against the epoch or the incarnation that it is stamped with; every job that was accepted ends
/// exactly once; jobs are passed on only in <see cref="AmqpLinkState.Open"/>, or in <see cref="AmqpLinkState.Closing"/> while the link is up.
/// </remarks>
internal sealed partial class ConnectionActor
{
    /// <summary>Deadlines are looked at no more often than this: well within the 250 ms in which an operation ends after its deadline.</summary>
    private static readonly long DeadlineGrain = TimeSpan.FromMilliseconds(50).Ticks;

    private readonly Dictionary<long, ActorChannel> _channels = [];
    private readonly List<ConsumerChannel> _consumers = [];
    private readonly List<ActorChannel> _toFlush = [];
    private readonly Func<double> _random;
    private readonly Func<AmqpClientStatus> _snapshot;
    private readonly LinkGauges _gauges;
    private readonly TopologyLedger _topology;
    private readonly PublishLane _lane;
    private PublishLane? _directLane;
    private long _lastIncarnation;
    private long _wakeAt = ActorClock.Never;

    internal ConnectionActor(ActorSettings settings, IBrokerLink link, TopologyLedger topology, LinkEvents events, Func<double> random,
        LinkGauges gauges, Func<AmqpClientStatus> snapshot)
    {
        Settings = settings;
        Link = link;
        Events = events;
        _topology = topology;
        _random = random;
        _gauges = gauges;
        _snapshot = snapshot;
        Exchanges = new ExchangeBook(CheckExchange);
        Calls = new PendingCalls(this);
        Admin = new AdminChannel(this);
        Replies = new ReplyChannel(this);
        _lane = new PublishLane(this, Replies);
    }

    internal ActorSettings Settings { get; }

    internal IBrokerLink Link { get; }

    internal LinkEvents Events { get; }

    internal ExchangeBook Exchanges { get; }

    internal PendingCalls Calls { get; }

    internal AdminChannel Admin { get; }

    internal ReplyChannel Replies { get; }

    /// <summary>The time of the message that is being handled.</summary>
    internal long Now { get; private set; }

    internal long StaleSettlements { get; set; }

    /// <summary>When the actor wants to be advanced even if nothing happens.</summary>
    internal long NextWake => _wakeAt;

    /// <summary>How many answers callers wait for.</summary>
    internal int Unanswered => Unconfirmed + Calls.Count;

    internal bool IsClosed => State == AmqpLinkState.Closed;

    internal void Handle(ActorMessage message, long now)
    {
        Now = now;
        switch (message)
        {
            case ActorCommand command when IsClosed:
                command.Abandon(this);
                break;
            case BrokerSignal.OfChannel signal:
                if (_channels.TryGetValue(signal.Incarnation, out ActorChannel? channel))
                {
                    Heard(signal);
                    channel.Dispatch(signal);
                }
                break; // else: of a channel that is gone
            case BrokerSignal signal:
                HandleLinkSignal(signal);
                break;
            case ActorCommand command:
                HandleCommand(command);
                break;
        }
    }

    /// <summary>Does what became possible or due. Called after each batch of messages, and when <see cref="NextWake"/> comes.</summary>
    internal void Advance(long now)
    {
        Now = now;
        foreach (ActorChannel channel in _toFlush)
            channel.Flush();
        _toFlush.Clear();
        _lane.Pump(now);
        _directLane?.Pump(now);
        if (now >= _wakeAt)
            ActOnTime(now);
        if (State == AmqpLinkState.Closing)
            CloseWhenIdle(now);
        PublishGauges();
    }

    /// <summary>Lets go what was passed on since the last time. Called after each batch of messages.</summary>
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

    internal TimeSpan RetryDelay(int attempt) => Settings.Reconnect.Delay(attempt, _random(), refused: false);

    internal AmqpClientStatus Snapshot()
    {
        PublishGauges();
        return _snapshot();
    }

    internal ObjectDisposedException DisposedError()
        => new(nameof(AmqpClient), _crash is null ? "The client was disposed." : $"The client's I/O thread ended by a bug in SafeAmqp: {_crash.Message}");

    private IEnumerable<ActorChannel> Places()
    {
        yield return Admin;
        yield return _lane;
        if (_directLane is not null)
            yield return _directLane;
        yield return Replies;
        foreach (ConsumerChannel consumer in _consumers.ToArray()) // a place may leave while it is visited
            yield return consumer;
    }

    private void ActOnTime(long now)
    {
        _wakeAt = ActorClock.Never;
        long deadline = Math.Min(_lane.Expire(now), Math.Min(_directLane?.Expire(now) ?? ActorClock.Never, Calls.Expire(now)));
        if (deadline != ActorClock.Never)
            WakeAt(Math.Max(deadline, now + DeadlineGrain));
        foreach (ActorChannel place in Places())
            WakeAt(place.Advance(now));
        WakeAt(AdvanceLink(now));
        if (State == AmqpLinkState.Closing)
            WakeAt(_closeBy);
    }

    private void HandleCommand(ActorCommand command)
    {
        switch (command)
        {
            case OutgoingJob job:
                Accept(job);
                break;
            case ActorCommand.Settle settle:
                Settle(settle);
                break;
            case ActorCommand.Cancel cancel:
                Cancel(cancel.Job);
                break;
            case ActorCommand.Replied replied:
                replied.Matched.TryComplete(Calls.Answer(replied.CorrelationId, replied.Reply, Now));
                break;
            case ActorCommand.Declare declare when State != AmqpLinkState.Closing:
                WakeAt(declare.Job.Deadline);
                DeclareNext(declare.Job);
                break;
            case ActorCommand.Consume consume when State != AmqpLinkState.Closing:
                Consume(consume.Subscription);
                break;
            case ActorCommand.StopConsuming stop:
                StopConsuming(stop.Subscription);
                break;
            case ActorCommand.EndConsuming end:
                EndConsuming(end.Subscription);
                break;
            case ActorCommand.Start:
                Start();
                break;
            case ActorCommand.WaitOpen wait:
                WaitOpen(wait);
                break;
            case ActorCommand.Close close:
                Close(close);
                break;
            default:
                command.Abandon(this); // closing: nothing new begins
                break;
        }
    }

    internal void ShowCalls()
    {
        _gauges.PendingCalls = Calls.Count;
        _gauges.LateReplies = Calls.Late;
    }

    private int Unconfirmed => _lane.Unconfirmed + (_directLane?.Unconfirmed ?? 0);

    private void PublishGauges()
    {
        _gauges.State = State;
        _gauges.StateSince = _stateSince;
        _gauges.NotOpenSince = _notOpenSince;
        _gauges.Recoveries = _recoveries;
        _gauges.Epoch = Epoch;
        _gauges.Host = _host;
        _gauges.LastError = _lastError;
        _gauges.RecoveryAttempt = _attempt;
        _gauges.NextAttemptAt = State == AmqpLinkState.Waiting ? _nextAttemptAt : ActorClock.Never;
        _gauges.BlockedReason = _blockedReason;
        _gauges.BlockedSince = _blockedSince;
        _gauges.BlockedBefore = _blockedBefore;
        _gauges.Queued = _lane.Waiting + (_directLane?.Waiting ?? 0);
        _gauges.OldestQueued = _lane.OldestWaiting ?? _directLane?.OldestWaiting ?? ActorClock.Never;
        _gauges.Unconfirmed = Unconfirmed;
        ShowCalls();
        _gauges.StaleSettlements = StaleSettlements;
        _gauges.TopologyErrors = _topologyErrors;
    }
}
