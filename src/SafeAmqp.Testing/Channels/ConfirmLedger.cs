using SafeAmqp.Testing.Faults;

namespace SafeAmqp.Testing.Channels;

/// <summary>
/// Publisher confirms (RabbitMQ's class 85). Acks are gathered into one with <c>multiple</c>; those that a script holds
/// back are never covered by the <c>multiple</c> of another.
/// </summary>
internal sealed class ConfirmLedger(Channel channel)
{
    private readonly SortedSet<ulong> _held = [];
    private readonly List<(ulong Number, bool Accepted)> _toReorder = [];
    private ulong _next = 1;
    private ulong _first;
    private ulong _last;
    private bool _isAbandoned;

    public bool IsOn { get; set; }

    /// <summary>The number of the next publish; they count from the moment confirm.select was answered.</summary>
    public ulong Next() => IsOn ? _next++ : 0;

    public void Ack(ulong number)
    {
        if (!IsOn || number == 0)
            return;
        if (_held.Count > 0 && _held.Min < number)
        {
            Flush();
            Write(Method.BasicAck, number, multiple: false);
            return;
        }
        if (_first == 0)
        {
            _first = number;
            channel.Connection.ConfirmLater(channel);
        }
        _last = number;
    }

    public void Nack(ulong number)
    {
        if (!IsOn || number == 0)
            return;
        Flush();
        Write(Method.BasicNack, number, multiple: false);
    }

    public void Flush()
    {
        if (_first == 0)
            return;
        (ulong first, ulong last) = (_first, _last);
        _first = 0;
        Write(Method.BasicAck, last, multiple: last > first);
    }

    /// <summary>Keeps a confirm back: for a time, for ever, or until enough of them are there to be mixed.</summary>
    public void Hold(ulong number, bool accepted, ConfirmHold hold)
    {
        if (!IsOn || number == 0 || _isAbandoned)
            return;
        Flush();
        _held.Add(number);
        if (hold.Delay is { } delay)
        {
            channel.Broker.Loop.Timers.After((long)delay.TotalMilliseconds, () => Release(number, accepted));
        }
        else if (hold.Reorder > 1)
        {
            _toReorder.Add((number, accepted));
            if (_toReorder.Count >= hold.Reorder)
                ReleaseMixed(hold.Random!);
        }
    }

    /// <summary>The channel is gone: nothing held is ever sent.</summary>
    public void Abandon()
    {
        _isAbandoned = true;
        _toReorder.Clear();
    }

    private void ReleaseMixed(Random random)
    {
        (ulong Number, bool Accepted)[] mixed = [.. _toReorder];
        _toReorder.Clear();
        random.Shuffle(mixed);
        foreach ((ulong number, bool accepted) in mixed)
            Release(number, accepted);
    }

    private void Release(ulong number, bool accepted)
    {
        if (_isAbandoned)
            return;
        _held.Remove(number);
        Write(accepted ? Method.BasicAck : Method.BasicNack, number, multiple: false);
    }

    private void Write(uint method, ulong number, bool multiple) =>
        channel.Send(channel.Broker.Writer.Start(method).LongLong(number).Flag(multiple));
}
