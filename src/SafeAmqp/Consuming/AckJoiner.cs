
using SafeAmqp.Actor;

namespace SafeAmqp.Consuming;

/// <summary>Joins the acknowledgements of one batch of messages: those without a gap before them go as one with
/// <c>multiple</c>, those beyond a gap singly. Nothing is held back longer than the batch. Belongs to one incarnation
/// of a channel.</summary>
/// <remarks>Invariants: _low is the lowest tag that is not settled on the wire. A <c>multiple</c> names a tag that is
/// itself still unsettled on the wire, as the broker answers any other with 406 and closes the channel.</remarks>
internal sealed class AckJoiner
{
    private enum Mark : byte
    {
        Unsettled,
        Acked, // to be sent
        Sent,
    }

    private readonly List<ulong> _acked = [];
    private Mark[] _marks = new Mark[64]; // a ring from _low; a power of two
    private ulong _low = 1;
    private ulong _next = 1;

    /// <summary>Deliveries that are not settled on the wire.</summary>
    internal int Unsettled { get; private set; }

    /// <summary>Takes note of a delivery. The broker numbers those of a channel 1, 2, 3 … (AMQP 0-9-1,
    /// basic.deliver.delivery-tag).</summary>
    /// <returns>False when the number is not the one due: the channel is not to be trusted.</returns>
    internal bool Delivered(ulong tag)
    {
        if (tag != _next)
            return false;
        if (_next - _low == (ulong)_marks.Length)
            Grow();
        this[_next++] = Mark.Unsettled;
        Unsettled++;
        return true;
    }

    internal void Ack(ulong tag)
    {
        this[tag] = Mark.Acked;
        _acked.Add(tag);
    }

    /// <summary>Rejects or requeues at once.</summary>
    internal void Settle(IBrokerLink link, long incarnation, ulong tag, AmqpSettlement settlement)
    {
        link.Settle(incarnation, tag, multiple: false, settlement);
        MarkSent(tag);
        Advance();
    }

    internal void Flush(IBrokerLink link, long incarnation)
    {
        if (_acked.Count == 0)
            return;
        if (incarnation == 0)
        {
            _acked.Clear();
            return;
        }
        ulong through = 0; // the highest acked tag without an unsettled one before it
        int joined = 0;
        for (ulong tag = _low; tag < _next && this[tag] != Mark.Unsettled; tag++)
        {
            if (this[tag] != Mark.Acked)
                continue;
            through = tag;
            joined++;
        }
        if (joined > 0)
            link.Settle(incarnation, through, multiple: joined > 1, AmqpSettlement.Ack);
        foreach (ulong tag in _acked)
        {
            if (tag > through)
                link.Settle(incarnation, tag, multiple: false, AmqpSettlement.Ack);
            MarkSent(tag);
        }
        _acked.Clear();
        Advance();
    }

    /// <summary>A new channel: tags start again.</summary>
    internal void Reset()
    {
        _acked.Clear();
        _low = _next = 1;
        Unsettled = 0;
    }

    private ref Mark this[ulong tag] => ref _marks[tag & ((ulong)_marks.Length - 1)];

    private void MarkSent(ulong tag)
    {
        this[tag] = Mark.Sent;
        Unsettled--;
    }

    private void Advance()
    {
        while (_low < _next && this[_low] == Mark.Sent)
            _low++;
    }

    private void Grow()
    {
        var marks = new Mark[_marks.Length * 2];
        for (ulong tag = _low; tag < _next; tag++)
            marks[tag & ((ulong)marks.Length - 1)] = this[tag];
        _marks = marks;
    }
}
