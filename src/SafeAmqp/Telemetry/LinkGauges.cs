using SafeAmqp.Actor;

namespace SafeAmqp.Telemetry;

/// <summary>
/// What a link shows of itself. Written by its I/O thread, read by anybody at any time without a lock: each value is right on its own,
/// two need not be of the same moment.
/// </summary>
internal sealed class LinkGauges(string name)
{
    internal AmqpLinkState State;
    internal long StateSince;
    internal int Epoch;
    internal string? Host;
    internal string? LastError;
    internal int RecoveryAttempt;
    internal long NextAttemptAt = ActorClock.Never;
    internal string? BlockedReason;
    internal long BlockedSince;
    internal int Queued;
    internal long OldestQueued = ActorClock.Never;
    internal int Unconfirmed;
    internal int PendingCalls;
    internal long LateReplies;
    internal long StaleSettlements;
    internal IReadOnlyList<string> TopologyErrors = [];

    internal AmqpLinkStatus Snapshot(long now, Broker.LinkTraffic traffic, IReadOnlyList<AmqpConsumerStatus> consumers)
    {
        string? blocked = Volatile.Read(ref BlockedReason);
        return new AmqpLinkStatus
        {
            Name = name,
            State = State,
            InState = Since(StateSince, now),
            Epoch = Epoch,
            Host = Host,
            LastError = LastError,
            RecoveryAttempt = RecoveryAttempt,
            NextAttemptIn = NextAttemptAt == ActorClock.Never ? null : Since(now, NextAttemptAt),
            BlockedReason = blocked,
            BlockedFor = blocked is null ? null : Since(BlockedSince, now),
            QueuedMessages = Queued,
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
