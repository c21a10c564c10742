namespace SafeAmqp.Actor;

/// <summary>Monotonic time, in ticks of <see cref="TimeSpan"/> since the client was made. The wall clock plays no part.</summary>
internal sealed class ActorClock(TimeProvider time)
{
    /// <summary>No deadline, no wake-up.</summary>
    internal const long Never = long.MaxValue;

    private readonly long _start = time.GetTimestamp();

    internal long Now => time.GetElapsedTime(_start).Ticks;

    /// <summary>The time that is so far away.</summary>
    internal long In(TimeSpan fromNow) => Now + fromNow.Ticks;

    /// <summary>The time of one of the provider's timestamps.</summary>
    internal long At(long timestamp) => time.GetElapsedTime(_start, timestamp).Ticks;

    internal TimeProvider Time => time;
}
