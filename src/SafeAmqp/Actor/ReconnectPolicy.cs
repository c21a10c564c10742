namespace SafeAmqp.Actor;

/// <summary>How long to wait before an attempt. Pure: the random number is given.</summary>
/// <param name="First">The upper bound of the first wait.</param>
/// <param name="Cap">The highest upper bound.</param>
/// <param name="Refused">The wait after the broker refused the credentials.</param>
internal sealed record ReconnectPolicy(TimeSpan First, TimeSpan Cap, TimeSpan Refused)
{
    /// <summary>
    /// Exponential with full jitter: evenly drawn between nothing and min(cap, first · 2^(attempt-1)), so that many
    /// clients that lost the same broker do not come back at once.
    /// </summary>
    /// <param name="attempt">1 for the first.</param>
    /// <param name="random">From 0 to below 1.</param>
    /// <param name="refused">Whether the last attempt was refused.</param>
    internal TimeSpan Delay(int attempt, double random, bool refused)
    {
        if (refused)
            return Refused;
        double bound = Math.Min(Cap.Ticks, First.Ticks * Math.Pow(2, Math.Min(attempt - 1, 40)));
        return TimeSpan.FromTicks((long)(bound * random));
    }
}
