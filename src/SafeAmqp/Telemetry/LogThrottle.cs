namespace SafeAmqp.Telemetry;

/// <summary>
/// Throttles failures that repeat. Of each kind the first few in a period are logged, and the first one after it says
/// how many were suppressed. A message that fails and is requeued at once would fill a disk. Safe for any thread; the
/// number of kinds is bounded.
/// </summary>
internal sealed class LogThrottle(TimeProvider time)
{
    internal const int LoggedPerPeriod = 5;
    private const int MaxKinds = 256;
    internal static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string, string), Run> _runs = [];

    /// <summary>Whether to tell of this one.</summary>
    /// <param name="what">What failed.</param>
    /// <param name="how">How, as a bounded set of words.</param>
    /// <param name="suppressed">How many similar failures were suppressed since the last that was logged.</param>
    internal bool ShouldLog(string what, string how, out long suppressed)
    {
        long now = time.GetTimestamp();
        lock (_gate)
        {
            if (!_runs.TryGetValue((what, how), out Run? run))
            {
                if (_runs.Count == MaxKinds)
                    _runs.Clear(); // so many kinds at once are no repetition
                _runs[(what, how)] = run = new Run { Since = now };
            }
            if (time.GetElapsedTime(run.Since, now) >= Period)
            {
                run.Since = now;
                run.Logged = 0;
            }
            suppressed = 0;
            if (run.Logged == LoggedPerPeriod)
            {
                run.Suppressed++;
                return false;
            }
            run.Logged++;
            (suppressed, run.Suppressed) = (run.Suppressed, 0);
            return true;
        }
    }

    private sealed class Run
    {
        internal long Since;
        internal int Logged;
        internal long Suppressed;
    }
}
