namespace SafeAmqp.Publishing;

/// <summary>
/// Tells a full queue from a channel that names a dead leader, as far as possible: a nack has no reason. After ten
/// nacks without an ack between for one exchange and key, over 250 ms, a new channel is worth a try, at most once in 10
/// s. Never a new connection: a full queue would disconnect everybody. Pure.
/// </summary>
internal sealed class NackWatch
{
    private const int Nacks = 10;
    private const int MaxAddresses = 64;
    private static readonly long Over = TimeSpan.FromMilliseconds(250).Ticks;
    private static readonly long NotWithin = TimeSpan.FromSeconds(10).Ticks;

    private readonly Dictionary<(string Exchange, string Key), (int Count, long Since)> _runs = [];
    private long _last = long.MinValue / 2;

    /// <summary>Counts nacked publishes.</summary>
    /// <returns>Whether the channel should be replaced.</returns>
    internal bool Nacked(List<OutgoingJob> jobs, long now)
    {
        bool storm = false;
        foreach (OutgoingJob job in jobs)
        {
            var address = (job.Message.Exchange, job.Message.RoutingKey);
            if (!_runs.TryGetValue(address, out var run))
            {
                if (_runs.Count == MaxAddresses)
                    _runs.Clear(); // many addresses nack at once: counting starts again, nothing is lost
                run = (0, now);
            }
            _runs[address] = run = (run.Count + 1, run.Since);
            storm |= run.Count >= Nacks && now - run.Since >= Over;
        }
        if (!storm || now - _last < NotWithin)
            return false;
        _last = now;
        _runs.Clear();
        return true;
    }

    internal void Acked(List<OutgoingJob> jobs)
    {
        if (_runs.Count == 0)
            return;
        foreach (OutgoingJob job in jobs)
            _runs.Remove((job.Message.Exchange, job.Message.RoutingKey));
    }
}
