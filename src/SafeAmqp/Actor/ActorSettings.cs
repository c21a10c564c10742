namespace SafeAmqp.Actor;

/// <summary>What the actor needs of the client's options.</summary>
internal sealed record ActorSettings
{
    /// <summary><c>send</c>, <c>receive</c> or <c>shared</c>.</summary>
    internal required string Name { get; init; }

    /// <summary>Whether publishes and calls go over this link; a receive link opens no publishing channel.</summary>
    internal bool Publishes { get; init; } = true;

    /// <summary>Whether exclusive queues of the topology live on this link.</summary>
    internal bool OwnsExclusiveQueues { get; init; } = true;

    /// <summary>How many hosts there are to try before a first connect fails fast.</summary>
    internal int Hosts { get; init; } = 1;

    internal TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(30);
    internal TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);
    internal TimeSpan OperationTimeout { get; init; } = TimeSpan.FromSeconds(30);
    internal ReconnectPolicy Reconnect { get; init; } =
        new(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));
    internal int MaxUnconfirmedMessages { get; init; } = 4096;
    internal long MaxUnconfirmedBytes { get; init; } = 32L << 20;
    internal bool Republish { get; init; }
}

/// <summary>Times inside an actor: ticks of <see cref="TimeSpan"/> on the client's monotonic clock.</summary>
internal static class ActorTime
{
    /// <summary>No deadline, no wake-up.</summary>
    internal const long Never = long.MaxValue;
}

/// <summary>How long to wait before an attempt. Pure: the random number is given.</summary>
/// <param name="First">The upper bound of the first wait.</param>
/// <param name="Cap">The highest upper bound.</param>
/// <param name="Refused">The wait after the broker refused the credentials.</param>
internal sealed record ReconnectPolicy(TimeSpan First, TimeSpan Cap, TimeSpan Refused)
{
    /// <summary>Exponential with full jitter: evenly drawn between nothing and min(cap, first · 2^(attempt-1)), so that
    /// many clients that lost the same broker do not come back at once.</summary>
    /// <param name="attempt">1 for the first.</param>
    /// <param name="random">From 0 to below 1.</param>
    /// <param name="refused">Whether the last attempt was refused.</param>
    internal TimeSpan Delay(int attempt, double random, bool refused)
    {
        if (refused)
            return Refused;
        return TimeSpan.FromTicks((long)(Bound(attempt).Ticks * random));
    }

    /// <summary>The longest wait before an attempt.</summary>
    internal TimeSpan Bound(int attempt)
        => TimeSpan.FromTicks((long)Math.Min(Cap.Ticks, First.Ticks * Math.Pow(2, Math.Min(attempt - 1, 40))));
}
