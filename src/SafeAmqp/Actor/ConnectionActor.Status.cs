namespace SafeAmqp.Actor;

// What a link shows of itself. Read by any thread, without a lock.
internal abstract partial class ConnectionActor
{
    /// <summary>How many channels the connection may have; 0 when that is not bounded.</summary>
    internal int ChannelMax { get; private set; }

    /// <summary>Whether the broker allows so few channels that exchanges are checked on that for declaring.</summary>
    internal bool HasFewChannels => ChannelMax is > 0 and < 16;

    /// <summary>Messages that wait to be passed on.</summary>
    internal abstract int Queued { get; }

    internal abstract int Unconfirmed { get; }
    internal abstract int PendingCalls { get; }

    /// <summary>Replies that came too late, twice, or for no call.</summary>
    internal abstract long LateReplies { get; }

    internal abstract long StaleSettlements { get; }

    /// <summary>Entities that could not be declared again, with the reason.</summary>
    internal abstract IReadOnlyList<string> TopologyErrors { get; }

    /// <summary>When the oldest message that waits was accepted; null when none waits.</summary>
    protected abstract long? OldestQueued { get; }

    /// <summary>How long the broker has been blocking publishing, all in all.</summary>
    internal TimeSpan Blocked(long now)
        => TimeSpan.FromTicks(Volatile.Read(ref _blockedBefore)
            + (BlockedReason is null ? 0 : Since(_blockedSince, now).Ticks));

    internal AmqpLinkStatus Status(long now, IReadOnlyList<AmqpConsumerStatus> consumers, int waitingCallers)
    {
        // Before the state as well: what is shown as open under a number is not an earlier connection.
        int epoch = Epoch;
        LinkTraffic traffic = Link.Traffic(epoch);
        string? blocked = BlockedReason;
        // Before the state, which is set first when the link opens: what goes with a link that is not open is not shown
        // of one that is, and the other way round.
        int attempt = RecoveryAttempt;
        long notOpenSince = _notOpenSince;
        AmqpLinkState state = State;
        bool isOpen = state == AmqpLinkState.Open;
        return new AmqpLinkStatus
        {
            Name = Settings.Name,
            State = state,
            InState = Since(_stateSince, now),
            NotOpenFor = isOpen ? null : Age(notOpenSince, now),
            Epoch = epoch,
            Host = Host,
            LastError = LastError,
            LastEnd = _lastEnd,
            RecoveryAttempt = isOpen ? 0 : attempt,
            NextAttemptIn = NextAttemptAt is var next && next == ActorTime.Never ? null : Since(now, next),
            BlockedReason = blocked,
            BlockedFor = blocked is null ? null : Since(_blockedSince, now),
            QueuedMessages = Queued,
            WaitingCallers = waitingCallers,
            OldestQueued = Age(OldestQueued ?? ActorTime.Never, now),
            UnconfirmedMessages = Unconfirmed,
            PendingCalls = PendingCalls,
            LateReplies = LateReplies,
            StaleSettlements = StaleSettlements,
            LastReceived = Age(traffic.LastReceived ?? ActorTime.Never, now),
            LastSent = Age(traffic.LastSent ?? ActorTime.Never, now),
            Consumers = consumers,
            TopologyErrors = TopologyErrors,
        };
    }

    private static TimeSpan? Age(long then, long now) => then == ActorTime.Never ? null : Since(then, now);

    private static TimeSpan Since(long then, long now) => TimeSpan.FromTicks(Math.Max(0, now - then));
}

/// <summary>The link's states and the transitions between them, as one table.</summary>
internal static class Lifecycle
{
    /// <summary>Whether a link may go from one state to another.</summary>
    internal static bool Allows(AmqpLinkState from, AmqpLinkState to) => (from, to) switch
    {
        (AmqpLinkState.Closed, _) => false, // for good
        (_, AmqpLinkState.Closed) => true,
        // Closing leads only to closed: a link lost meanwhile is closed, not recovered
        (AmqpLinkState.Closing, _) => false,
        (_, AmqpLinkState.Closing) => true,
        (AmqpLinkState.Idle, AmqpLinkState.Connecting) => true,
        (AmqpLinkState.Connecting, AmqpLinkState.Preparing or AmqpLinkState.Waiting) => true,
        (AmqpLinkState.Preparing, AmqpLinkState.Open or AmqpLinkState.Waiting) => true,
        (AmqpLinkState.Open, AmqpLinkState.Waiting) => true,
        (AmqpLinkState.Waiting, AmqpLinkState.Connecting) => true,
        _ => false,
    };
}
