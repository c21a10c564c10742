
namespace SafeAmqp.Actor;

/// <summary>A request that a broker answers at once, and whether it stays unanswered. Bytes that came a while after it
/// was asked show that the broker lives and sends; if there is still no answer a little later, it no longer reads, or
/// has lost track of the channel. A silent broker proves nothing here: silence is for the watchdog. Pure
/// data.</summary>
internal struct Probe()
{
    /// <summary>Long for a broker that is busy, and less than callers wait.</summary>
    internal static readonly long Patience = TimeSpan.FromSeconds(5).Ticks;

    /// <summary>A broker that was paused and resumes may send its heartbeat before its answers.</summary>
    internal static readonly long Grace = TimeSpan.FromSeconds(3).Ticks;

    private long _askedAt = ActorTime.Never;
    private long _verdictAt = ActorTime.Never;

    internal readonly bool IsAsked => _askedAt != ActorTime.Never;

    /// <summary>Starts to wait, or starts anew: the broker answered something else, or cannot answer for a known
    /// reason.</summary>
    internal void Ask(long now)
    {
        _askedAt = now;
        _verdictAt = ActorTime.Never;
    }

    internal void Answered() => _askedAt = _verdictAt = ActorTime.Never;

    /// <param name="now">The time.</param>
    /// <param name="traffic">What the link moves.</param>
    /// <param name="next">When to look again.</param>
    internal bool IsUnheard(long now, LinkTraffic traffic, out long next)
    {
        // It may wait behind other bytes of ours while those leave, and an answer may be here unread.
        if (traffic.HasUnread || (traffic is { HasUnsent: true, LastSent: { } sent } && sent > _askedAt))
            Ask(now);
        if (_verdictAt == ActorTime.Never && Math.Min(traffic.LastReceived ?? 0, now) - _askedAt >= Patience)
            _verdictAt = now + Grace;
        next = _verdictAt != ActorTime.Never ? _verdictAt
            : Math.Max(_askedAt + Patience, now + TimeSpan.TicksPerSecond);
        return _verdictAt <= now;
    }
}
