using SafeAmqp.Broker;

namespace SafeAmqp.Actor;

/// <summary>
/// Something that a broker answers at once, and whether it goes unheard. Bytes that came a while after it was asked show that the broker lives and sends; when some moments
/// later there is still no answer, it does not read any more, or has lost track. A broker from which nothing comes proves nothing here: that is the watchdog's. Pure data.
/// </summary>
internal struct Question()
{
    /// <summary>Long for a broker that is busy, and less than callers wait.</summary>
    internal static readonly long Patience = TimeSpan.FromSeconds(5).Ticks;

    /// <summary>A broker that stood still and goes on may send its heartbeat before its answers.</summary>
    internal static readonly long Moments = TimeSpan.FromSeconds(3).Ticks;

    private long _askedAt = ActorClock.Never;
    private long _verdictAt = ActorClock.Never;

    internal readonly bool IsAsked => _askedAt != ActorClock.Never;

    /// <summary>Begins, or begins to wait anew: the broker was heard, or cannot answer for a reason that is known.</summary>
    internal void Ask(long now)
    {
        _askedAt = now;
        _verdictAt = ActorClock.Never;
    }

    internal void Answered() => _askedAt = _verdictAt = ActorClock.Never;

    /// <param name="now">The time.</param>
    /// <param name="traffic">What the link moves.</param>
    /// <param name="next">When to look again.</param>
    internal bool IsUnheard(long now, LinkTraffic traffic, out long next)
    {
        // It may stand behind other bytes of ours for as long as those leave, and an answer may lie here unread.
        if (traffic.HasUnread || (traffic is { HasUnsent: true, LastSent: { } sent } && sent > _askedAt))
            Ask(now);
        if (_verdictAt == ActorClock.Never && Math.Min(traffic.LastReceived ?? 0, now) - _askedAt >= Patience)
            _verdictAt = now + Moments;
        next = _verdictAt != ActorClock.Never ? _verdictAt : Math.Max(_askedAt + Patience, now + TimeSpan.TicksPerSecond);
        return _verdictAt <= now;
    }
}
