using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;

namespace SafeAmqp.Rpc;

/// <summary>The channel of a server: requests come on it, replies and acknowledgements leave on it. The broker works a
/// channel off in order, so what is answered behind a reply proves that the reply was routed.</summary>
/// <remarks>Invariants: a request is acknowledged only behind its reply on the same channel or, where the reply
/// outlives its caller, once that is confirmed. One that was delivered before may be the one whose reply closed a
/// channel: its reply goes with nothing else in doubt beside it. Prefetch and credit bound what is held.</remarks>
internal sealed class ServingChannel(ConnectionActor actor, ConsumerSet consumers, Subscription subscription,
    RequestServer server) : ConsumerChannel(actor, consumers, subscription)
{
    /// <summary>After so long with something in doubt the broker is asked whether it works the channel off.</summary>
    private static readonly long Silence = TimeSpan.FromSeconds(5).Ticks;

    private readonly JobQueue _held = new(); // in the order in which they were given
    private readonly ConfirmLedger _ledger = new(actor.Settings.MaxUnconfirmedMessages);
    private readonly List<OutgoingJob> _taken = [];
    private ReplyJob? _last; // passed on last without being confirmed
    private ReplyJob? _alone; // passed on with nothing beside it, and not answered
    private bool _confirms; // since the first reply that needed it
    private bool _busy;
    private bool _closing; // a reply found the channel closed; its signal is on the way
    private bool _isAsked; // the broker, whether it has worked off what was passed on
    private int _asked; // of those in doubt, how many were passed on before
    private int _inDoubt; // passed on without being confirmed since the broker was last known to have worked all off
    private int _owed; // requests that were answered and are not settled
    private long _heardAt;
    private long _endBy = ActorTime.Never;

    internal override void Settle(AmqpDelivery delivery, AmqpSettlement settlement)
    {
        if (delivery.Reply is not ReplyJob reply)
        {
            base.Settle(delivery, settlement);
        }
        else if (!reply.IsTaken && delivery.Incarnation == Incarnation)
        {
            reply.IsTaken = true;
            _owed++;
            _held.Add(reply);
            Actor.FlushLater(this);
        }
        else
        {
            // Its answer has failed; or it is stale, and comes again
            _owed -= delivery.Incarnation == Incarnation ? 1 : 0;
            reply.Lose();
            base.Settle(delivery, settlement);
        }
    }

    internal override bool Flush()
    {
        while (MayPass && _held.First is ReplyJob reply)
        {
            if (reply.IsSuspect && _inDoubt > 0)
                Ask();
            if ((reply.IsSuspect && !IsProven) || !_ledger.HasRoom)
                break;
            Pass(reply);
        }
        base.Flush();
        EndWhenDone();
        return _held.Count == 0 || !IsOpen;
    }

    internal override bool EndsLater()
    {
        if (!IsOpen || (_owed == 0 && IsProven) || Subscription.Options.StopTimeout == TimeSpan.Zero)
            return false;
        _endBy = Actor.Now + Subscription.Options.StopTimeout.Ticks;
        Actor.WakeAt(_endBy);
        Actor.FlushLater(this);
        return true;
    }

    protected override void OnSignal(BrokerSignal.OfChannel signal)
    {
        switch (signal)
        {
            case BrokerSignal.Acked ack:
                Answer(ack.Sequence, ack.Multiple, nack: false);
                break;
            case BrokerSignal.Nacked nack:
                Answer(nack.Sequence, nack.Multiple, nack: true);
                break;
            case BrokerSignal.Returned returned:
                _heardAt = Actor.Now;
                var end = new CloseReason(returned.Code, returned.Text, ByBroker: true);
                if (_ledger.InSlot(returned.Slot) is { } job)
                    job.Return = end;
                else
                    server.TellOfLostReply(Subscription.Queue, new AmqpReturnedException("The broker returned a reply: "
                        + $"{end.Describe()}. Its caller's queue is gone.", Actor.Snapshot(), end));
                break;
            case BrokerSignal.Readied:
                _busy = false;
                Actor.FlushLater(this);
                break;
            case BrokerSignal.Answered:
                Answered();
                _heardAt = Actor.Now;
                _inDoubt -= _asked;
                (_isAsked, _asked) = (false, 0);
                Actor.FlushLater(this);
                break;
            default:
                base.OnSignal(signal);
                break;
        }
    }

    protected override void OnClosed(CloseReason end)
    {
        if (Culprit(end) is { } culprit)
            server.Remember(culprit.Request, JobErrors.Refused(culprit, end, Actor.Snapshot()));
        base.OnClosed(end);
        EndWhenDone();
    }

    protected override void OnLinkLost(CloseReason end)
    {
        base.OnLinkLost(end);
        EndWhenDone();
    }

    protected override long OnAdvance(long now)
    {
        long next = Math.Min(base.OnAdvance(now), Expire(now));
        if (_endBy <= now)
        {
            _endBy = ActorTime.Never;
            Consumers.Remove(this);
            return ActorTime.Never;
        }
        if (!IsOpen || IsProven || _isAsked)
            return Math.Min(next, _endBy);
        long askAt = Actor.IsBlocked ? now + Silence : Math.Max(_heardAt, Actor.UnblockedAt) + Silence;
        if (askAt <= now)
            Ask(); // a queue may have no majority, or the broker reads no more
        return Math.Min(Math.Min(next, _endBy), Math.Max(askAt, now + 1));
    }

    protected override void LoseDeliveries()
    {
        base.LoseDeliveries();
        _ledger.TakeAll(_taken);
        while (_held.First is { } held)
        {
            _held.Remove(held);
            _taken.Add(held);
        }
        foreach (OutgoingJob job in _taken)
            ((ReplyJob)job).Lose();
        _taken.Clear();
        _last = _alone = null;
        _confirms = _busy = _closing = _isAsked = false;
        _asked = _inDoubt = _owed = 0;
    }

    private bool MayPass => IsOpen && !_busy && !_closing && _alone is null && Actor.MayPublish;

    /// <summary>Whether the broker has worked off all that was passed on.</summary>
    private bool IsProven => _inDoubt == 0 && _ledger.Count == 0;

    private void Pass(ReplyJob reply)
    {
        _held.Remove(reply);
        bool needsConfirm = reply.OutlivesCaller || reply.IsSuspect;
        if (needsConfirm && !_confirms)
        {
            _confirms = true;
            Actor.Link.Confirm(Incarnation);
        }
        Outgoing message = reply.ToWire(Actor.Now, replyAddress: null);
        int slot = _confirms && message.Mandatory ? _ledger.NextSlot : -1;
        switch (Actor.Link.Publish(Incarnation, message, slot, out string? refusal))
        {
            case PassResult.Closed:
                _closing = true;
                _held.AddFirst(reply);
                return;
            case PassResult.Refused:
                reply.End(JobErrors.Unsendable(reply, refusal!, Actor.Snapshot()));
                return;
            case PassResult.PassedBusy:
                _busy = true;
                break;
        }
        reply.Pass();
        if (IsProven)
        {
            _heardAt = Actor.Now;
            Actor.WakeAt(_heardAt + Silence);
        }
        if (_confirms)
        {
            _ledger.Add(reply);
            Actor.WakeAt(reply.Deadline);
        }
        else
        {
            (_last, _inDoubt) = (reply, _inDoubt + 1);
        }
        if (reply.IsSuspect)
            _alone = reply;
        if (!needsConfirm)
            Finish(reply);
    }

    private void Answer(ulong sequence, bool multiple, bool nack)
    {
        _heardAt = Actor.Now;
        if (!_ledger.Take(sequence, multiple, _taken))
        {
            GiveUp(CloseReason.Local($"the broker answered reply {sequence}, which was never made"));
            return;
        }
        foreach (OutgoingJob job in _taken)
        {
            var reply = (ReplyJob)job;
            if (reply == _alone)
                _alone = null;
            Exception? error = reply.Return is { } end ? JobErrors.Returned(reply, end, Actor.Snapshot())
                : nack ? JobErrors.Nacked(reply, Actor.Snapshot()) : null;
            if (reply.HasEnded && error is not null)
                server.TellOfLostReply(Subscription.Queue, error);
            else if (error is not null)
                reply.End(error);
            else if (!reply.HasEnded)
                Finish(reply);
        }
        _taken.Clear();
        Actor.FlushLater(this); // what was held for it, and the acknowledgements
    }

    private void Finish(ReplyJob reply)
    {
        reply.Confirm();
        _owed--;
        base.Settle(reply.Request, AmqpSettlement.Ack);
    }

    private void Ask()
    {
        if (_isAsked)
            return;
        _isAsked = true;
        _asked = _inDoubt;
        AwaitAnswer();
        Actor.Link.Ask(Incarnation, new AdminRequest.Probe());
    }

    private void EndWhenDone()
    {
        if (_endBy == ActorTime.Never || (IsOpen && (_owed > 0 || _ledger.Count > 0)))
            return;
        if (IsOpen && _inDoubt > 0)
        {
            Ask();
            return;
        }
        _endBy = ActorTime.Never;
        Consumers.Remove(this);
    }

    // Of several that were passed on at once it is not known which it was: their requests come again, and are answered
    // one by one then.
    private ReplyJob? Culprit(CloseReason end)
    {
        // Replies go to the default exchange, so 404 is about the queue; the text, about the broker's consumer_timeout
        if (end.Code == 404 || end.Text.Contains("delivery acknowledgement", StringComparison.Ordinal))
            return null;
        if (_alone is not null)
            return Refusal.Of([_alone], end).Culprit as ReplyJob;
        IEnumerable<OutgoingJob> inDoubt = _ledger.Unanswered();
        if (_inDoubt > 0)
            inDoubt = inDoubt.Append(_last!);
        return _inDoubt > 1 ? null : Refusal.Of(inDoubt, end).Culprit as ReplyJob;
    }

    // What becomes of a reply that is not answered by its deadline is unknown.
    private long Expire(long now)
    {
        long earliest = ActorTime.Never;
        foreach (OutgoingJob job in _ledger.Unanswered())
        {
            if (job.HasEnded)
                continue;
            if (job.Deadline <= now)
                job.End(JobErrors.TimedOut(job, now, Actor.Snapshot()));
            else
                earliest = Math.Min(earliest, job.Deadline);
        }
        return earliest;
    }
}
