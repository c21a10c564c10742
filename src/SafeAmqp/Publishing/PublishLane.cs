using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Publishing;

/// <summary>One confirming channel and the jobs that go out over it. They wait here, are passed on in order within the
/// window, and end with the broker's answer or the loss of the channel. Calls have a queue of their own, as they wait
/// for their reply address.</summary>
/// <param name="actor">The link.</param>
/// <param name="exchanges">The exchanges that are there.</param>
/// <param name="awaited">What is being declared and could route a message: sent now it might be returned. Null when
/// nothing is.</param>
/// <param name="replies">Where replies to its calls come to.</param>
internal sealed partial class PublishLane(ConnectionActor actor, ExchangeBook exchanges,
    Func<AmqpMessage, TopologyItem?> awaited, ReplyRoute replies) : ActorChannel(actor)
{
    private readonly JobQueue _publishes = new();
    private readonly JobQueue _calls = new();
    private readonly JobQueue _held = new(); // by what is being declared; those behind one to the same exchange, too
    private readonly HashSet<string> _heldExchanges = [];
    private readonly ConfirmLedger _ledger = new(actor.Settings.MaxUnconfirmedMessages);
    private readonly NackWatch _nacks = new();
    private readonly List<OutgoingJob> _taken = [];
    private readonly HashSet<OutgoingJob> _left = []; // on channels that were given up, which the broker may still read
    private ConfirmTimer _timer;
    private bool _busy;
    private bool _closing; // a publish found the channel closed; its signal is on the way
    private bool _draining; // to be replaced once everything is answered
    private bool _isAlone; // what was passed on last is a suspect: nothing goes beside it
    private int _failedOpens;
    private long _lastDeadline; // of those passed on since nothing was unanswered

    internal int Waiting => _publishes.Count + _calls.Count + _held.Count;

    internal int Unconfirmed => _ledger.Count;

    internal bool IsIdle => Waiting == 0 && _ledger.Count == 0;

    internal long? OldestWaiting => Earlier(_held.First, Earlier(_publishes.First, _calls.First))?.AcceptedAt;

    /// <summary>Whether the channel may be used. A direct reply-to channel also needs its consumer.</summary>
    internal bool IsReady => IsOpen && (!replies.IsOnLane || replies.Address is not null);

    /// <summary>Whether there is nothing to wait for before the link is open. A direct reply-to channel that the broker
    /// refuses holds up no other.</summary>
    internal bool IsSettled => IsReady || (replies.IsOnLane && IsReopening);

    internal void Accept(OutgoingJob job)
    {
        (job.NeedsAddress ? _calls : _publishes).Add(job);
        Actor.WakeAt(job.NeedsAddress && replies.Refusal is not null ? Actor.Now : job.Deadline);
    }

    /// <summary>Opens the channel, unless there is one.</summary>
    internal override void Prepare()
    {
        if (Incarnation == 0)
            Open(confirms: true, prefetch: 0);
    }

    /// <summary>Passes on as much as the broker, the channel and the window allow.</summary>
    internal void Pump(long now)
    {
        while (NextToPass() is { } job)
        {
            if (IsHeld(job))
            {
                job.Queue!.Remove(job);
                _held.Add(job);
                continue;
            }
            switch (exchanges.Ask(job.Message, now, out CloseReason? refusal))
            {
                case ExchangeAnswer.Present:
                    Pass(job, now);
                    break;
                case ExchangeAnswer.Refused:
                    job.Queue!.Remove(job);
                    job.End(JobErrors.Refused(job, refusal!, Actor.Snapshot()));
                    break;
                default:
                    return; // being checked; order is kept by waiting
            }
        }
        if (IsHeldUp)
            Actor.WakeAt(LastDeadline);
    }

    /// <summary>What was held goes before everything newer, and is looked at again in its turn.</summary>
    internal void Release()
    {
        _heldExchanges.Clear();
        while (_held.Last is { } job)
        {
            _held.Remove(job);
            (job.NeedsAddress ? _calls : _publishes).AddFirst(job);
        }
    }

    /// <summary>Ends the waiting jobs for an exchange that is not there, all at once: each would fail in its
    /// turn.</summary>
    internal void Refuse(string exchange, CloseReason end)
    {
        AmqpClientStatus status = Actor.Snapshot();
        foreach (JobQueue queue in Lines)
        {
            for (OutgoingJob? job = queue.First, next; job is not null; job = next)
            {
                next = job.Next;
                if (job.Message.Exchange != exchange)
                    continue;
                queue.Remove(job);
                job.End(JobErrors.Refused(job, end, status));
            }
        }
    }

    /// <summary>Ends what the deadline has reached, here and on the way.</summary>
    /// <returns>The earliest deadline that is left.</returns>
    internal long Expire(long now)
    {
        AmqpClientStatus? status = null;
        long earliest = ActorTime.Never;
        foreach (JobQueue queue in Lines)
        {
            int place = 0, all = queue.Count;
            for (OutgoingJob? job = queue.First, next; job is not null; job = next, place++)
            {
                next = job.Next;
                if (job.Deadline > now)
                {
                    earliest = Math.Min(earliest, job.Deadline);
                    continue;
                }
                queue.Remove(job);
                job.End(JobErrors.TimedOut(job, now, status ??= Actor.Snapshot(), HeldBy(job)
                    ?? WaitReason.InLine(place, all - place - 1)));
            }
        }
        foreach (OutgoingJob job in _ledger.Unanswered())
        {
            if (job is { KeepsOwnDeadline: true, HasEnded: false })
                continue; // calls keep their own deadlines
            if (job.Deadline > now)
                earliest = Math.Min(earliest, job.Deadline);
            else if (job.HasEnded)
                job.ReleaseCredit(); // posted, or replied to, and not confirmed: others need not wait for it
            else
                job.End(job.Return is { } reply
                    ? JobErrors.Returned(job, reply, status ??= Actor.Snapshot())
                    // Keeps its place: the answer may still come
                    : JobErrors.TimedOut(job, now, status ??= Actor.Snapshot()));
        }
        return earliest;
    }

    /// <summary>Ends everything: nothing is sent any more.</summary>
    internal void EndAll(CloseReason end, string why)
    {
        AmqpClientStatus status = Actor.Snapshot();
        _ledger.TakeAll(_taken);
        foreach (OutgoingJob job in _taken)
            EndLost(job, end, status);
        _taken.Clear();
        foreach (JobQueue queue in Lines)
        {
            while (queue.First is { } job)
            {
                queue.Remove(job);
                job.End(job.WasPassed ? JobErrors.Unknown(job, end, status) : JobErrors.NotSent(job, why, status));
            }
        }
        Close();
    }

    private JobQueue[] Lines => [_publishes, _calls, _held];

    // To other exchanges messages go on; to this one they keep their order.
    private bool IsHeld(OutgoingJob job)
    {
        string exchange = job.Message.Exchange;
        if (_heldExchanges.Count > 0 && _heldExchanges.Contains(exchange))
            return true;
        return awaited(job.Message) is not null && _heldExchanges.Add(exchange);
    }

    private string? HeldBy(OutgoingJob job)
        => awaited(job.Message) is { } item ? $"{item.Key} is still being declared" : null;

    private bool MayPass => IsReady && !_busy && !_closing && Actor.MayPublish;

    /// <summary>The next in turn, whether or not the window has room for it.</summary>
    private OutgoingJob? Next => Earlier(_publishes.First, replies.Address is null ? null : _calls.First);

    /// <summary>Whether only missing answers keep the next job from leaving. A queue without a majority gives none for
    /// as long as it has none.</summary>
    private bool IsHeldUp => MayPass && Next is { } next && _ledger.Count > 0 && (_draining || !HasRoom(next));

    /// <summary>After it no caller waits for an answer any more. A full window is normal under load and is not walked
    /// through. One with room that cannot be used, because of a few old publishes or because the channel drains,
    /// is.</summary>
    private long LastDeadline => _draining || _ledger.Count < Actor.Settings.MaxUnconfirmedMessages
        ? _ledger.Unanswered().Max(job => job.Deadline) : _lastDeadline;

    private OutgoingJob? NextToPass() => MayPass && !_draining && Next is { } next && HasRoom(next) ? next : null;

    private bool HasRoom(OutgoingJob job)
        => _ledger.HasRoom && _ledger.Count < Actor.Settings.MaxUnconfirmedMessages
            && (_ledger.Count == 0 || (!job.IsSuspect && !_isAlone
                && _ledger.Bytes + job.Size <= Actor.Settings.MaxUnconfirmedBytes));

    private void Pass(OutgoingJob job, long now)
    {
        JobQueue queue = job.Queue!;
        queue.Remove(job);
        Outgoing message = job.ToWire(now, replies.Address);
        int slot = message.Mandatory ? _ledger.NextSlot : -1;
        switch (Actor.Link.Publish(Incarnation, message, slot, out string? refusal))
        {
            case PassResult.Passed:
                Passed(job);
                break;
            case PassResult.PassedBusy:
                _busy = true;
                Passed(job);
                break;
            case PassResult.Closed:
                _closing = true;
                queue.AddFirst(job);
                break;
            default:
                job.End(JobErrors.Unsendable(job, refusal!, Actor.Snapshot()));
                break;
        }
    }

    private void Passed(OutgoingJob job)
    {
        if (_ledger.Count == 0)
            Began();
        _lastDeadline = _ledger.Count == 0 ? job.Deadline : Math.Max(_lastDeadline, job.Deadline);
        _isAlone = job.IsSuspect;
        _timer.Passed(_ledger.NextNumber, Actor);
        _ledger.Add(job);
        job.Pass();
    }

    private static OutgoingJob? Earlier(OutgoingJob? a, OutgoingJob? b)
        => a is null ? b : b is null || a.AcceptedAt <= b.AcceptedAt ? a : b;
}

/// <summary>Where the replies of a lane's calls come to. Calls wait while there is no address.</summary>
internal abstract class ReplyRoute
{
    internal abstract string? Address { get; }

    /// <summary>Why the broker gives none, when it has refused one. It is asked again and again.</summary>
    internal virtual string? Refusal => null;

    /// <summary>Whether replies come on the lane's own channel, which is not ready before they are consumed.</summary>
    internal virtual bool IsOnLane => false;

    /// <summary>The lane's channel is open: consume replies on it. Only for replies on the lane, as all that
    /// follows.</summary>
    internal virtual void Consume(long incarnation) { }

    internal virtual void Started() { }

    internal virtual void Received(BrokerSignal.Delivered reply) { }

    /// <summary>The lane's channel is gone, and with it the replies that were to come.</summary>
    internal virtual void Lose(CloseReason end) { }
}
