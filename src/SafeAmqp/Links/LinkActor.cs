using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;

namespace SafeAmqp.Links;

/// <summary>The actor of one link with all that it is used for: publishes and calls, consumers, declarations. It hands
/// each command to the part that it is for.</summary>
internal sealed partial class LinkActor : ConnectionActor
{
    private readonly TopologyLedger _topology;
    private readonly ExchangeBook _exchanges;
    private readonly PendingCalls _calls;
    private readonly AdminChannel _admin;
    private readonly AdminChannel _checks; // of exchanges: a publish waits for one, and not for what is being declared
    private readonly ReplyChannel _replies;
    private readonly ConsumerSet _consumers;
    private readonly PublishLane _lane;
    private PublishLane? _directLane;
    private int _ends; // of what was under way when publishes were last looked at

    internal LinkActor(ActorSettings settings, IBrokerLink link, TopologyLedger topology, LinkEvents events,
        Func<double> random, Func<AmqpClientStatus> snapshot)
        : base(settings, link, events, random, snapshot)
    {
        _topology = topology;
        _exchanges = new ExchangeBook(CheckExchange);
        _calls = new PendingCalls(this);
        _admin = new AdminChannel(this, topology);
        _checks = new AdminChannel(this, topology);
        _replies = new ReplyChannel(this, _calls);
        _consumers = new ConsumerSet(this,
            new ConsumedQueues(RedeclareQueue, topology.QueueNamed, topology.Used,
                (queue, wasLive) => Drop(topology.Left(queue, wasLive))));
        _lane = new PublishLane(this, _exchanges, topology.Awaited, _replies.Route);
    }

    internal override int Unanswered => Unconfirmed + _calls.Count + _consumers.Unsettled;

    internal override int Queued => _lane.Waiting + (_directLane?.Waiting ?? 0);

    internal override int Unconfirmed => _lane.Unconfirmed + (_directLane?.Unconfirmed ?? 0);

    internal override int PendingCalls => _calls.Count;

    internal override long LateReplies => _calls.Late;

    internal override IReadOnlyList<string> TopologyErrors
        => Settings.Publishes && _topology.Refused is { Count: > 0 } refused ? [.. _told, .. refused] : _told;

    internal override long StaleSettlements => _consumers.StaleSettlements;

    protected override long? OldestQueued => _lane.OldestWaiting ?? _directLane?.OldestWaiting;

    protected override bool IsReady => _replaysLeft == 0 && _admin is { IsOpen: true, HasSuspect: false }
        && _consumers.AreSettled
        && (!Settings.Publishes || (_lane.IsSettled && _replies.IsSettled && _directLane is not { IsSettled: false }));

    protected override bool IsIdle => _lane.IsIdle && _directLane is not { IsIdle: false };

    protected override int LinksEnded => _admin.LinksEnded;

    protected override IEnumerable<ActorChannel> Channels
    {
        get
        {
            yield return _admin;
            yield return _checks;
            yield return _lane;
            if (_directLane is not null)
                yield return _directLane;
            yield return _replies; // after the lanes: when the link is lost, they end unconfirmed calls as unknown
            foreach (ConsumerChannel consumer in _consumers.Channels)
                yield return consumer;
            foreach (GetChannel get in _consumers.Gets)
                yield return get;
        }
    }

    protected override void HandleVerb(IActorMessage command)
    {
        bool isClosing = State == AmqpLinkState.Closing;
        switch (command)
        {
            case OutgoingJob job:
                Accept(job);
                break;
            case CancelJob cancel:
                cancel.Job.Cancel(this);
                break;
            case Replied replied:
                replied.Matched.TryComplete(
                    _calls.Answer(replied.CorrelationId, replied.Reply, replied.Flaw, Now));
                break;
            case AdminJob job when !isClosing:
                WakeAt(job.Deadline);
                foreach (TopologyItem item in job.Deleted)
                    Drop(_topology.Forget(item)); // at once, so that no recovery puts it back
                AskNext(job);
                break;
            case GetJob get when !isClosing || get is not GetJob.Begin:
                _consumers.Handle(get, IsConnected && _replaysLeft == 0);
                break;
            case ConsumerCommand consume when !isClosing || consume is not ConsumerCommand.Consume:
                _consumers.Handle(consume, mayConsume: IsConnected && _replaysLeft == 0);
                break;
            default:
                command.Abandon(this); // closing: nothing new begins
                break;
        }
    }

    protected override void Pump(long now)
    {
        if (_topology.Changes is var ends && ends != _ends)
        {
            _ends = ends;
            _lane.Release();
            _directLane?.Release();
        }
        _lane.Pump(now);
        _directLane?.Pump(now);
    }

    protected override long Expire(long now)
        => Math.Min(_lane.Expire(now), Math.Min(_directLane?.Expire(now) ?? ActorTime.Never, _calls.Expire(now)));

    protected override void LoseChannels(CloseReason end)
    {
        ConsumerChannel? poisoned = PoisonedBy(end);
        base.LoseChannels(end);
        poisoned?.StopPoisoned($"ended the link twice: {end.Describe()}",
            $"Take it out with another client, or empty the queue ({nameof(IAmqpClient.Admin)}."
                + $"{nameof(IAmqpAdmin.PurgeAsync)}) or delete it ({nameof(IAmqpAdmin.DeleteQueueAsync)}).", end.Error);
    }

    protected override void BeginClose() => _calls.EndAll("the client was disposed");

    protected override void EndAll(CloseReason end)
    {
        _lane.EndAll(end, end.Text);
        _directLane?.EndAll(end, end.Text);
        _calls.EndAll(end.Text);
        _admin.EndAll(end);
        _checks.EndAll(end);
        _replies.EndAll();
        _consumers.EndAll();
    }

    private void Accept(OutgoingJob job)
    {
        if (job.HasEnded)
            return; // cancelled before it got here
        if (State == AmqpLinkState.Closing)
        {
            job.End(DisposedError());
            return;
        }
        if (job.Deadline <= Now)
        {
            job.End(JobErrors.TimedOut(job, Now, Snapshot()));
            return;
        }
        if (job is not CallJob call)
            _lane.Accept(job);
        else if (_calls.TryAdd(call))
            LaneOf(call).Accept(call);
        else
            call.End(JobErrors.NotSent(call, "a call with its correlation id is waiting already", Snapshot()));
    }

    // Calls with a direct reply-to have a lane of their own, as their replies come on its channel.
    private PublishLane LaneOf(CallJob call)
    {
        if (call.ReplyTo == AmqpReplyAddress.Exclusive)
            _replies.Want();
        if (call.ReplyTo != AmqpReplyAddress.Direct)
            return _lane;
        if (_directLane is null)
        {
            _directLane = new PublishLane(this, _exchanges, _topology.Awaited, new DirectReplies(this, _calls));
            if (IsConnected)
                _directLane.Prepare();
        }
        return _directLane;
    }

    // The broker delivers a message that was not settled again, and again it would end the link, for all that are on
    // it.
    private ConsumerChannel? PoisonedBy(CloseReason end)
        => end.Suspect is { } suspect && ChannelOf(suspect.Incarnation) is ConsumerChannel consumer
            && consumer.HasEndedTheLinkBefore(suspect) ? consumer : null;

    private void CheckExchange(string exchange)
    {
        AdminChannel channel = HasFewChannels ? _admin : _checks;
        channel.Prepare();
        channel.Enqueue(new AdminRequest.ExchangeCheck(exchange), Now + Settings.OperationTimeout.Ticks,
            outlivesLink: false, end =>
        {
            // Anything but "not found" says nothing about the exchange: the publish itself will.
            _exchanges.Checked(exchange, present: end is null || (end.ByBroker && end.Code != 404));
            if (end is not { ByBroker: true, Code: 404 })
                return;
            _lane.Refuse(exchange, end);
            _directLane?.Refuse(exchange, end);
        });
    }
}
