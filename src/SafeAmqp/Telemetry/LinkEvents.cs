using System.Net;
using System.Numerics;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry;

/// <summary>What a link reports of itself as it happens. Only its I/O thread calls, but for
/// <see cref="Observe"/>.</summary>
internal sealed class LinkEvents(ILogger logger, string link, LinkMetrics? metrics = null, TimeProvider? time = null,
    Action<AmqpStateChangedEventArgs>? moved = null)
{
    private readonly LogThrottle _throttle = new(time ?? TimeProvider.System);
    private string? _lastFailure;
    private int _failures; // attempts that failed since the link was open or began
    private int _suppressed;

    /// <summary>Whether anything listens to how long confirms take.</summary>
    internal bool TimesConfirms => metrics is { TimesConfirms: true };

    internal void ThreadStarted(string thread) => Log.ThreadStarted(logger, thread);

    internal void ThreadCrashed(Exception error) => Log.ThreadCrashed(logger, link, error);

    /// <summary>One line per transition. Repeated failures to connect are logged when their number doubles or the
    /// reason changes.</summary>
    internal void StateChanged(AmqpLinkState from, AmqpLinkState to, int epoch, string detail, string? reason = null)
    {
        if (to == AmqpLinkState.Waiting)
            Failed(from, epoch, detail, reason);
        else if ((from, to) is (AmqpLinkState.Waiting, AmqpLinkState.Connecting) && _failures > 0)
            Log.TryingAgain(logger, link, epoch, detail);
        else
            Log.StateChanged(logger, link, from, to, epoch, detail);
        if (to == AmqpLinkState.Open)
            (_lastFailure, _failures, _suppressed) = (null, 0, 0);
    }

    /// <summary>The link is in another state.</summary>
    internal void Moved(AmqpLinkState from, AmqpLinkState to, string? reason)
        => moved?.Invoke(new AmqpStateChangedEventArgs(link, from, to, reason));

    internal void Recovered(TimeSpan after) => metrics?.Recovered(after);

    internal void Confirmed(TimeSpan after) => metrics?.Confirmed(after);

    internal void Blocked(string reason) => Log.Blocked(logger, link, reason);

    internal void Unblocked(TimeSpan after) => Log.Unblocked(logger, link, after.TotalSeconds);

    internal void TopologyRefused(string entity, string reason)
    {
        if (_throttle.ShouldLog(entity, reason, out long suppressed))
            Log.TopologyRefused(logger, link, entity, reason, suppressed);
    }

    internal void ConnectionClosedOver(string entity, string reason)
        => Log.ConnectionClosedOver(logger, link, entity, reason);

    internal void ConsumerLive(string queue) => Log.ConsumerLive(logger, link, queue);

    internal void ConsumerLost(string queue, string reason)
    {
        if (_throttle.ShouldLog(queue, reason, out long suppressed))
            Log.ConsumerLost(logger, link, queue, reason, suppressed);
    }

    internal void ConsumerPoisoned(string queue, string reason) => Log.ConsumerPoisoned(logger, link, queue, reason);

    internal void SecretRenewed() => Log.SecretRenewed(logger, link);

    internal void SecretNotRenewed(string reason) => Log.SecretNotRenewed(logger, link, reason);

    internal void ReplyQueueCreated(string queue) => Log.ReplyQueueCreated(logger, link, queue);

    /// <summary>Logs the failure of a task that is not awaited.</summary>
    internal void Observe(Task task, string what)
    {
        if (task.IsCompletedSuccessfully)
            return;
        _ = task.ContinueWith(failed => Log.Unobserved(logger, link, what, failed.Exception!.GetBaseException()),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
    }

    private void Failed(AmqpLinkState from, int epoch, string detail, string? reason)
    {
        if (from == AmqpLinkState.Open)
        {
            Log.LinkLost(logger, link, from, epoch, detail);
            return;
        }
        _failures++;
        if (reason == _lastFailure && !BitOperations.IsPow2(_failures))
        {
            _suppressed++;
            Log.FailedAgain(logger, link, from, epoch, detail);
            return;
        }
        Log.AttemptFailed(logger, link, from, epoch, detail, _failures, _suppressed);
        (_lastFailure, _suppressed) = (reason, 0);
    }
}

/// <summary>Bytes and sends of a link over all its connections.</summary>
internal readonly record struct TransportTotals(long BytesReceived, long BytesSent, long Sends)
{
    public static TransportTotals operator +(TransportTotals a, TransportTotals b)
        => new(a.BytesReceived + b.BytesReceived, a.BytesSent + b.BytesSent, a.Sends + b.Sends);
}

/// <summary>What a link shows when metrics are collected.</summary>
internal readonly record struct LinkReading(AmqpLinkStatus Status, long Recoveries, TimeSpan Blocked, TimeSpan Busy,
    TransportTotals Totals, TimeSpan PoolDelay, int PoolStarvations);

/// <summary>One link's part in the instruments: read on collection; one-off events are recorded as they
/// happen.</summary>
internal sealed class LinkMetrics(Instruments instruments, string client, string link, Func<LinkReading> read)
{
    internal KeyValuePair<string, object?>[] Tags { get; } =
        [new(Attributes.Client, client), new(Attributes.Link, link)];

    internal KeyValuePair<string, object?> ClientTag { get; } = new(Attributes.Client, client);

    /// <summary>Whether it reports the values that a client has once for all its links.</summary>
    internal bool IsFirst { get; } = link != "receive";

    /// <summary>Whether anything listens to how long confirms take.</summary>
    internal bool TimesConfirms => instruments.ConfirmDuration.Enabled;

    internal LinkReading Read() => read();

    internal void Show() => instruments.Add(this);

    internal void Hide() => instruments.Remove(this);

    internal void Confirmed(TimeSpan after) => instruments.ConfirmDuration.Record(after.TotalSeconds, Tags);

    internal void Recovered(TimeSpan after) => instruments.RecoveryDuration.Record(after.TotalSeconds, Tags);
}

/// <summary>Where a link is or was last connected to, as the values of attributes.</summary>
internal sealed class LinkEndpoint(string address, int port, IPAddress? peer = null, int peerPort = 0)
{
    internal string Address => address;
    internal object Port { get; } = port;

    /// <summary>The address that the host's name led to; null before the first connection.</summary>
    internal string? PeerAddress { get; } = peer?.ToString();

    internal object PeerPort { get; } = peerPort;
}
