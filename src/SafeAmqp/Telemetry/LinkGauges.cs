using SafeAmqp.Actor;

namespace SafeAmqp.Telemetry;

/// <summary>
/// What a link shows of itself. Written by its I/O thread, read by anybody at any time without a lock: each value is right on its own,
/// two need not be of the same moment.
/// </summary>
internal sealed class LinkGauges(string name)
{
    internal string Name => name;

    internal AmqpLinkState State;
    internal long StateSince;
    internal long NotOpenSince = ActorClock.Never;
    internal long Recoveries;
    internal int Epoch;
    internal string? Host;
    internal string? LastError;
    internal int RecoveryAttempt;
    internal long NextAttemptAt = ActorClock.Never;
    internal string? BlockedReason;
    internal long BlockedSince;
    internal long BlockedBefore; // ticks of the blocks that are over
    internal int Queued;
    internal long OldestQueued = ActorClock.Never;
    internal int Unconfirmed;
    internal int PendingCalls;
    internal long LateReplies;
    internal long StaleSettlements;
    internal IReadOnlyList<string> TopologyErrors = [];

    /// <summary>How long the broker has been blocking publishing, all in all.</summary>
    internal TimeSpan Blocked(long now)
        => TimeSpan.FromTicks(Volatile.Read(ref BlockedBefore) + (Volatile.Read(ref BlockedReason) is null ? 0 : Since(BlockedSince, now).Ticks));

    internal AmqpLinkStatus Snapshot(long now, Broker.LinkTraffic traffic, IReadOnlyList<AmqpConsumerStatus> consumers, int waitingCallers = 0)
    {
        string? blocked = Volatile.Read(ref BlockedReason);
        return new AmqpLinkStatus
        {
            Name = name,
            State = State,
            InState = Since(StateSince, now),
            NotOpenFor = NotOpenSince == ActorClock.Never ? null : Since(NotOpenSince, now),
            Epoch = Epoch,
            Host = Host,
            LastError = LastError,
            RecoveryAttempt = RecoveryAttempt,
            NextAttemptIn = NextAttemptAt == ActorClock.Never ? null : Since(now, NextAttemptAt),
            BlockedReason = blocked,
            BlockedFor = blocked is null ? null : Since(BlockedSince, now),
            QueuedMessages = Queued,
            WaitingCallers = waitingCallers,
            OldestQueued = OldestQueued == ActorClock.Never ? null : Since(OldestQueued, now),
            UnconfirmedMessages = Unconfirmed,
            PendingCalls = PendingCalls,
            LateReplies = Volatile.Read(ref LateReplies),
            StaleSettlements = Volatile.Read(ref StaleSettlements),
            LastReceived = traffic.LastReceived is { } received ? Since(received, now) : null,
            LastSent = traffic.LastSent is { } sent ? Since(sent, now) : null,
            Consumers = consumers,
            TopologyErrors = TopologyErrors,
        };
    }

    private static TimeSpan Since(long then, long now) => TimeSpan.FromTicks(Math.Max(0, now - then));
}
