using Microsoft.Extensions.Logging;

namespace SafeAmqp.Hosting;

/// <summary>One thing that the host brings up and tries again until it stands: a connection, a topology, a consumer, a server.</summary>
internal sealed class StartUpStep(string what, string client, Func<CancellationToken, ValueTask> bringUp, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private int _attempts;
    private volatile bool _stands;
    private volatile string? _lastError;

    internal string What => what;
    internal bool Stands => _stands;

    /// <summary>Says why it does not stand yet.</summary>
    public override string ToString() => _lastError is { } error ? $"{what} does not stand: {error}" : $"{what} is not started yet";

    /// <summary>Tries once. A failure is logged and kept; only cancellation and a disposed client are thrown.</summary>
    internal async Task TryAsync(CancellationToken stop)
    {
        _attempts++;
        try
        {
            await bringUp(stop).ConfigureAwait(false);
            _lastError = null;
            _stands = true;
            HostingLog.Stands(logger, client, what, _attempts);
        }
        catch (Exception fault) when (!stop.IsCancellationRequested && fault is not ObjectDisposedException)
        {
            _lastError = fault.Message;
            HostingLog.DoesNotStand(logger, client, what, _attempts, Delay(_attempts), fault);
        }
    }

    /// <summary>Tries until it stands, with a wait after each failure.</summary>
    internal async Task UntilItStandsAsync(CancellationToken stop)
    {
        while (!_stands)
        {
            if (_attempts > 0)
                await Task.Delay(Delay(_attempts), time, stop).ConfigureAwait(false);
            await TryAsync(stop).ConfigureAwait(false);
        }
    }

    // No jitter: the links have theirs, and each try is one small request on an open connection.
    private static TimeSpan Delay(int attempts)
        => TimeSpan.FromTicks(Math.Min(FirstDelay.Ticks << Math.Min(attempts - 1, 16), LongestDelay.Ticks));
}
