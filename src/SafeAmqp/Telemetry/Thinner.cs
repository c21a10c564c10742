namespace SafeAmqp.Telemetry;

/// <summary>
/// Thins failures that repeat: of each kind the first few in a stretch of time are told, and the first after it says how many were not. A
/// message that fails and is requeued at once would fill a disk. Safe for any thread; the number of kinds is bounded.
/// </summary>
internal sealed class Thinner(TimeProvider time)
{
    internal const int ToldPerStretch = 5;
    private const int MaxKinds = 256;
    internal static readonly TimeSpan Stretch = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string, string), Run> _runs = [];

    /// <summary>Whether to tell of this one.</summary>
    /// <param name="what">What failed.</param>
    /// <param name="how">How, as a bounded set of words.</param>
    /// <param name="untold">How many like it were not told since the last that was.</param>
    internal bool Tells(string what, string how, out long untold)
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
            if (time.GetElapsedTime(run.Since, now) >= Stretch)
            {
                run.Since = now;
                run.Told = 0;
            }
            untold = 0;
            if (run.Told == ToldPerStretch)
            {
                run.Untold++;
                return false;
            }
            run.Told++;
            (untold, run.Untold) = (run.Untold, 0);
            return true;
        }
    }

    private sealed class Run
    {
        internal long Since;
        internal int Told;
        internal long Untold;
    }
}
