using System.Numerics;
using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

/// <summary>The publishes of one channel that the broker has not answered: a ring by sequence number (the n-th publish
/// on a confirming channel has number n, from 1). Pure data.</summary>
/// <remarks>Invariants: every number in [_low, _next) has been passed on; those with a filled slot are unanswered;
/// _low's slot is filled unless the ledger is empty; _next - _low never exceeds the ring.</remarks>
internal sealed class ConfirmLedger
{
    private readonly OutgoingJob?[] _ring;
    private readonly ulong _mask;
    private ulong _low = 1;
    private ulong _next = 1;

    internal ConfirmLedger(int capacity)
    {
        _ring = new OutgoingJob?[BitOperations.RoundUpToPowerOf2((uint)capacity)];
        _mask = (ulong)_ring.Length - 1;
    }

    internal int Count { get; private set; }
    internal long Bytes { get; private set; }

    /// <summary>Whether the ring has a place; a single old unanswered publish can keep it from having one.</summary>
    internal bool HasRoom => _next - _low < (ulong)_ring.Length;

    /// <summary>The slot of the next publish: what a mandatory message carries so that its return finds it.</summary>
    internal int NextSlot => (int)(_next & _mask);

    /// <summary>The sequence number of the next publish.</summary>
    internal ulong NextNumber => _next;

    internal void Add(OutgoingJob job)
    {
        _ring[_next & _mask] = job;
        _next++;
        Count++;
        Bytes += job.Size;
    }

    /// <summary>The unanswered publish in a slot.</summary>
    internal OutgoingJob? InSlot(int slot) => (uint)slot < (uint)_ring.Length ? _ring[slot] : null;

    /// <summary>Takes out the publishes that an answer covers, oldest first. Those that were answered before are
    /// skipped.</summary>
    /// <returns>False when the broker answered a number that was never used: the channel is not to be trusted any more.
    /// Zero is none, also with <paramref name="multiple"/>: "all so far" (AMQP 0-9-1, basic.ack.delivery-tag) would
    /// take in what the broker has not read yet.</returns>
    internal bool Take(ulong sequence, bool multiple, List<OutgoingJob> answered)
    {
        if (sequence >= _next || sequence == 0)
            return false;
        if (multiple)
        {
            for (ulong number = _low; number <= sequence; number++)
                TakeOne(number, answered);
        }
        else if (sequence >= _low)
        {
            TakeOne(sequence, answered);
        }
        while (_low < _next && _ring[_low & _mask] is null)
            _low++;
        return true;
    }

    /// <summary>Takes out everything, oldest first: the channel is gone and its numbers with it.</summary>
    internal void TakeAll(List<OutgoingJob> unanswered)
    {
        for (ulong number = _low; number < _next; number++)
            TakeOne(number, unanswered);
        _low = _next = 1;
    }

    /// <summary>Lists the unanswered, oldest first.</summary>
    internal IEnumerable<OutgoingJob> Unanswered()
    {
        for (ulong number = _low; number < _next; number++)
        {
            if (_ring[number & _mask] is { } job)
                yield return job;
        }
    }

    private void TakeOne(ulong number, List<OutgoingJob> taken)
    {
        ref OutgoingJob? slot = ref _ring[number & _mask];
        if (slot is null)
            return;
        taken.Add(slot);
        Count--;
        Bytes -= slot.Size;
        slot = null;
    }
}

/// <summary>Times one publish at a time from its hand-over to its answer, as TCP times one segment at a time: how long
/// confirms take is known without a clock reading per message. Times none while nothing listens.</summary>
internal struct ConfirmTimer
{
    private ulong _number; // 0: none
    private long _since;

    internal void Passed(ulong number, ConnectionActor actor)
    {
        if (_number != 0 || !actor.Events.TimesConfirms)
            return;
        _number = number;
        _since = actor.Now;
    }

    internal void Answered(ulong through, bool multiple, ConnectionActor actor)
    {
        if (_number == 0 || (through != _number && !(multiple && through > _number)))
            return;
        _number = 0;
        actor.Events.Confirmed(TimeSpan.FromTicks(actor.Now - _since));
    }

    /// <summary>The channel is gone, and its numbers with it.</summary>
    internal void Reset() => _number = 0;
}

/// <summary>Tells a full queue from a channel that names a dead leader, as far as possible: a nack has no reason. After
/// ten nacks without an ack between for one exchange and key, over 250 ms, a new channel is worth a try, at most once
/// in 10 s. Never a new connection: a full queue would disconnect everybody. Pure.</summary>
internal sealed class NackWatch
{
    private const int Nacks = 10;
    private const int MaxAddresses = 64;
    private static readonly long Over = TimeSpan.FromMilliseconds(250).Ticks;
    private static readonly long NotWithin = TimeSpan.FromSeconds(10).Ticks;

    private readonly Dictionary<(string Exchange, string Key), (int Count, long Since)> _runs = [];
    private long _last = long.MinValue / 2;

    /// <summary>Counts nacked publishes.</summary>
    /// <returns>Whether the channel should be replaced.</returns>
    internal bool Nacked(List<OutgoingJob> jobs, long now)
    {
        bool storm = false;
        foreach (OutgoingJob job in jobs)
        {
            var address = (job.Message.Exchange, job.Message.RoutingKey);
            if (!_runs.TryGetValue(address, out var run))
            {
                if (_runs.Count == MaxAddresses)
                    _runs.Clear(); // many addresses nack at once: counting starts again, nothing is lost
                run = (0, now);
            }
            _runs[address] = run = (run.Count + 1, run.Since);
            storm |= run.Count >= Nacks && now - run.Since >= Over;
        }
        if (!storm || now - _last < NotWithin)
            return false;
        _last = now;
        _runs.Clear();
        return true;
    }

    internal void Acked(List<OutgoingJob> jobs)
    {
        if (_runs.Count == 0)
            return;
        foreach (OutgoingJob job in jobs)
            _runs.Remove((job.Message.Exchange, job.Message.RoutingKey));
    }
}
