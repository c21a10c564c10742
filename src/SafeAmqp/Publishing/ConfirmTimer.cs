using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

/// <summary>
/// Times one publish at a time from its hand-over to its answer, as TCP times one segment at a time: how long confirms take is known without
/// a clock reading per message. Times none while nobody listens.
/// </summary>
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
        if (_number == 0 || (through != _number && !(multiple && (through > _number || through == 0))))
            return;
        _number = 0;
        actor.Events.Confirmed(TimeSpan.FromTicks(actor.Now - _since));
    }

    /// <summary>The channel is gone, and its numbers with it.</summary>
    internal void Reset() => _number = 0;
}
