using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

// The channel's side of the lane: it opens, answers, falls silent, closes and is lost.
internal sealed partial class PublishLane
{
    protected override void OnOpened()
    {
        _busy = _closing = _draining = false;
        if (replies.IsOnLane)
        {
            AwaitAnswer();
            replies.Consume(Incarnation);
        }
        else
        {
            OnReady();
        }
    }

    protected override void OnClosed(CloseReason end)
    {
        Blame blame = Refusal.Of(_ledger.Unanswered(), end);
        if (blame.Example is { } example)
            exchanges.Learn(example, end, Actor.Now);
        bool isUnexplained = blame.Example is null;
        Lose(end, blame.Culprit, republish: !isUnexplained || end.ByBroker,
            (isUnexplained || _ledger.Count == 1) && Refusal.CastsSuspicion(end, isLink: false));
        if (++_failedOpens == 0) // it had been open: the next one will, too
        {
            Prepare();
            return;
        }
        ReopenLater(_failedOpens);
        Actor.ChannelSettled();
    }

    protected override long OnAdvance(long now)
    {
        if (replies.Refusal is { } why)
            EndCalls(why);
        long look = AskWhenSilent(now);
        if (!IsHeldUp)
            return look;
        if (LastDeadline > now)
            return Math.Min(look, LastDeadline);
        Replace(CloseReason.Local(
            "the channel was replaced, as the broker left publishes unanswered past their deadlines"));
        return ActorTime.Never;
    }

    private void EndCalls(string why)
    {
        AmqpClientStatus? status = null;
        while (_calls.First is { } job)
        {
            _calls.Remove(job);
            job.End(JobErrors.NotSent(job, $"the broker refused its reply queue: {why}", status ??= Actor.Snapshot()));
        }
    }

    protected override void OnLinkLost(CloseReason end)
    {
        _failedOpens = 0;
        bool isSuspicious = Refusal.CastsSuspicion(end, isLink: true);
        Lose(end, culprit: null, republish: true, isSuspicious);
        foreach (OutgoingJob job in _left)
            job.IsSuspect |= isSuspicious;
        _left.Clear();
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
                Heard();
                if (_ledger.InSlot(returned.Slot) is { } job)
                    job.Return = new CloseReason(returned.Code, returned.Text, ByBroker: true);
                break;
            case BrokerSignal.Readied:
                _busy = false;
                break;
            case BrokerSignal.ConsumerStarted when replies.IsOnLane:
                Answered();
                replies.Started();
                OnReady();
                break;
            case BrokerSignal.Answered:
                _probe.Answered();
                _heardAt = Actor.Now;
                break;
            case BrokerSignal.Delivered reply:
                Heard();
                replies.Received(reply);
                break;
        }
    }

    private void OnReady()
    {
        _failedOpens = -1;
        Actor.ChannelSettled();
    }

    private void Answer(ulong sequence, bool multiple, bool nack)
    {
        Heard();
        if (!_ledger.Take(sequence, multiple, _taken))
        {
            Replace(CloseReason.Local($"the broker answered publish {sequence}, which was never made"));
            return;
        }
        _timer.Answered(sequence, multiple, Actor);
        foreach (OutgoingJob job in _taken)
        {
            if (job.Return is { } reply)
                job.End(JobErrors.Returned(job, reply, Actor.Snapshot()));
            else if (nack)
                job.End(JobErrors.Nacked(job, Actor.Snapshot()));
            else
                job.Confirm();
        }
        if (nack && _nacks.Nacked(_taken, Actor.Now))
            _draining = true;
        else if (!nack)
            _nacks.Acked(_taken);
        _taken.Clear();
        if (_draining && _ledger.Count == 0)
            Replace(CloseReason.Local("the channel was replaced after a storm of nacks"));
    }

    /// <summary>Gives the channel up and opens a new one: its numbering, or its view of a queue's leader, cannot be
    /// trusted.</summary>
    private void Replace(CloseReason end)
    {
        Close();
        _left.RemoveWhere(job => job.HasEnded);
        _left.UnionWith(_ledger.Unanswered());
        Lose(end, culprit: null, republish: true);
        Prepare();
    }

    private void Lose(CloseReason end, OutgoingJob? culprit, bool republish, bool isSuspicious = false)
    {
        _busy = _closing = _draining = _isAlone = false;
        _probe.Answered();
        _timer.Reset();
        Release(); // it is newer than what goes again
        AmqpClientStatus status = Actor.Snapshot();
        var lost = new List<OutgoingJob>();
        _ledger.TakeAll(lost);
        // From the youngest to the oldest, so that those that are sent again keep their old order, before everything
        // newer.
        for (int i = lost.Count - 1; i >= 0; i--)
        {
            OutgoingJob job = lost[i];
            if (isSuspicious && job.IsSuspect) // nothing went beside it
                job.End(JobErrors.RefusedAlone(job, end, status));
            else if (job == culprit)
                job.End(JobErrors.Refused(job, end, status));
            else if (republish && Actor.MayRepublish && job.MayRepublish && job.Return is null && !job.HasEnded)
                Repeat(job, isSuspicious);
            else
                EndLost(job, end, status);
        }
        replies.Lose(end);
    }

    private void Repeat(OutgoingJob job, bool isSuspicious)
    {
        job.IsRepeated = true;
        job.IsSuspect |= isSuspicious;
        _publishes.AddFirst(job);
    }

    private static void EndLost(OutgoingJob job, CloseReason end, AmqpClientStatus status)
    {
        if (job.Return is { } reply)
            job.End(JobErrors.Returned(job, reply, status));
        else if (!job.Outlives(end))
            job.End(JobErrors.Unknown(job, end, status));
    }

    // A queue without a majority answers nothing, and its channel is well. A channel that the broker has lost track of,
    // or whose connection it no longer reads, answers nothing either. A probe without consequence tells them apart: the
    // channel answers it, whatever its queues do.

    /// <summary>The broker has answered nothing for this long although publishes wait: time to probe.</summary>
    private static readonly long Silence = TimeSpan.FromSeconds(5).Ticks;

    private Probe _probe = new();
    private long _heardAt; // the broker's last answer on this channel, or the first publish after all were answered

    /// <summary>The broker answered something on this channel, so it has not lost track of it.</summary>
    private void Heard()
    {
        _heardAt = Actor.Now;
        if (_probe.IsAsked)
            _probe.Ask(Actor.Now);
    }

    private void Began()
    {
        _heardAt = Actor.Now;
        Actor.WakeAt(_heardAt + Silence);
    }

    /// <summary>Probes when it is time, and gives the channel up when the probe stays unanswered.</summary>
    /// <returns>When to look again.</returns>
    private long AskWhenSilent(long now)
    {
        if (!IsOpen || _ledger.Count == 0 || Actor.State != AmqpLinkState.Open)
            return ActorTime.Never;
        if (Actor.IsBlocked)
        {
            Heard(); // it reads nothing for a known reason, and will resume
            return now + Silence;
        }
        if (_probe.IsAsked)
        {
            if (_probe.IsUnheard(now, Actor.Link.Traffic(Actor.Epoch), out long next))
                Replace(CloseReason.Unanswered("the channel was replaced, as the broker answered nothing on it for "
                    + $"{TimeSpan.FromTicks(now - _heardAt).TotalSeconds:0.0} s, not even a question"));
            return next;
        }
        if (Math.Max(_heardAt, Actor.UnblockedAt) + Silence > now)
            return Math.Max(_heardAt, Actor.UnblockedAt) + Silence;
        _probe.Ask(now);
        Actor.Link.Ask(Incarnation, new AdminRequest.Probe());
        return now + Probe.Patience;
    }
}
