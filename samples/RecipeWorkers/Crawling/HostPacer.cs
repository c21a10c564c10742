namespace RecipeWorkers.Crawling;

/// <summary>Spaces the requests to one host. Thread-safe.</summary>
internal sealed class HostPacer(TimeSpan pause, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, DateTimeOffset> _free = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Takes the next free slot of the host and tells how long to wait for it.</summary>
    public TimeSpan Reserve(string host)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            var slot = _free.TryGetValue(host, out var free) && free > now ? free : now;
            _free[host] = slot + pause;
            return slot - now;
        }
    }

    public async Task WaitAsync(string host, CancellationToken cancellationToken)
    {
        if (Reserve(host) is { Ticks: > 0 } wait)
            await Task.Delay(wait, time, cancellationToken);
    }
}
