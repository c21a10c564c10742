namespace FederatedLearning.Protocol;

/// <summary>
/// How long to wait before a connection is tried again: from a quarter of a second, twice as long each time, to ten
/// seconds, and up to half of it less at random, so that fifty clients do not come back in one moment. For one loop.
/// </summary>
public sealed class Backoff(TimeProvider time)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(250), Longest = TimeSpan.FromSeconds(10);

    private TimeSpan _next = First;

    /// <summary>Waits, and next time longer.</summary>
    public Task WaitAsync(CancellationToken cancellationToken)
    {
        var wait = _next * (1 - Random.Shared.NextDouble() / 2);
        _next = _next * 2 < Longest ? _next * 2 : Longest;
        return Task.Delay(wait, time, cancellationToken);
    }

    /// <summary>It works: the next time the waiting begins anew.</summary>
    public void Reset() => _next = First;
}
