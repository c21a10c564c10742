using System.Numerics;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry;

/// <summary>What a client reports of itself as it happens, and its consumers and servers. Safe for any thread. What
/// repeats is throttled.</summary>
internal sealed class ClientEvents(ILogger logger, string client, TimeProvider time)
{
    private readonly LogThrottle _throttle = new(time);

    internal void Unencrypted(string hosts) => Log.Unencrypted(logger, client, hosts);

    internal void StateHandlerFailed(string change, Exception error)
        => Log.StateHandlerFailed(logger, client, change, error);

    internal void PoolStarved(TimeSpan waiting)
        => Log.PoolStarved(logger, client, waiting.TotalSeconds, ThreadPool.ThreadCount,
            ThreadPool.PendingWorkItemCount);

    internal void PoolRelieved(TimeSpan waited) => Log.PoolRelieved(logger, client, waited.TotalSeconds);

    internal void HandlersStuck(string queue, TimeSpan running)
        => Log.HandlersStuck(logger, client, queue, running.TotalSeconds);

    internal void HandlerFailed(AmqpDelivery delivery, string next, Exception error)
        => _throttle.Tell(delivery.Queue, error.GetType().Name,
            suppressed => Log.HandlerFailed(logger, client, delivery.Queue, delivery.DeliveryTag, IdOf(delivery),
                next, suppressed, error));

    internal void RetryFailed(string queue, Exception error)
        => _throttle.Tell(queue, "retry", suppressed => Log.RetryFailed(logger, client, queue, suppressed, error));

    internal void FewReturnsLeft(AmqpDelivery delivery, long left)
        => _throttle.Tell(delivery.Queue, $"{left} returns left",
            suppressed => Log.FewReturnsLeft(logger, client, delivery.Queue, delivery.DeliveryTag, IdOf(delivery),
                left, suppressed));

    internal void Rejected(AmqpDelivery delivery, string kind, string fate, string reason)
        => _throttle.Tell(delivery.Queue, kind,
            suppressed => Log.Rejected(logger, client, fate, delivery.Queue, delivery.DeliveryTag, IdOf(delivery),
                reason, suppressed, delivery.Fault));

    internal void NotDeadLettered(AmqpDelivery delivery, string dead, string next, Exception error)
        => _throttle.Tell(dead, "dead",
            suppressed => Log.NotDeadLettered(logger, client, delivery.Queue, delivery.DeliveryTag, IdOf(delivery),
                dead, next, suppressed, error));

    internal void RequestWithoutReplyTo(string queue)
        => _throttle.Tell(queue, "no reply address",
            suppressed => Log.RequestWithoutReplyTo(logger, client, queue, suppressed));

    internal void RequestTooLate(string queue, TimeSpan late)
        => _throttle.Tell(queue, "too late",
            suppressed => Log.RequestTooLate(logger, client, queue, late.TotalSeconds, suppressed));

    internal void RequestFailed(string queue, Exception error)
        => _throttle.Tell(queue, error.GetType().Name,
            suppressed => Log.RequestFailed(logger, client, queue, suppressed, error));

    internal void ReplyNotDelivered(string queue, Exception error)
        => _throttle.Tell(queue, $"reply {error.GetType().Name}",
            suppressed => Log.ReplyNotDelivered(logger, client, queue, suppressed, error));

    internal void CorrelateFailed(string queue, Exception error)
        => _throttle.Tell(queue, "correlate",
            suppressed => Log.CorrelateFailed(logger, client, queue, suppressed, error));

    /// <summary>A message's id in words; null when it has none. The peer chose it.</summary>
    internal static string? IdOf(AmqpDelivery delivery)
        => delivery.Message.MessageId is { } id ? StatusText.Printable(id) : null;
}

/// <summary>What a link reports of itself as it happens. Only its I/O thread calls, but for
/// <see cref="Observe"/>.</summary>
internal sealed class LinkEvents(ILogger logger, string client, string link, LinkMetrics? metrics = null,
    TimeProvider? time = null, Action<AmqpStateChangedEventArgs>? moved = null)
{
    private readonly LogThrottle _throttle = new(time ?? TimeProvider.System);
    private string? _lastFailure;
    private int _failures; // attempts that failed since the link was open or began
    private int _suppressed;

    /// <summary>Whether anything listens to how long confirms take.</summary>
    internal bool TimesConfirms => metrics is { TimesConfirms: true };

    internal void ThreadStarted(string thread) => Log.ThreadStarted(logger, thread);

    internal void ThreadCrashed(Exception error) => Log.ThreadCrashed(logger, client, link, error);

    /// <summary>One line per transition. Repeated failures to connect are logged when their number doubles or the
    /// reason changes.</summary>
    internal void StateChanged(AmqpLinkState from, AmqpLinkState to, string detail, string? reason = null)
    {
        if (to == AmqpLinkState.Waiting)
            Failed(from, detail, reason);
        else if ((from, to) is (AmqpLinkState.Waiting, AmqpLinkState.Connecting) && _failures > 0)
            Log.TryingAgain(logger, client, link, detail);
        else
            Log.StateChanged(logger, client, link, from, to, detail);
        if (to == AmqpLinkState.Open)
            (_lastFailure, _failures, _suppressed) = (null, 0, 0);
    }

    /// <summary>The link is in another state.</summary>
    internal void Moved(AmqpLinkState from, AmqpLinkState to, string? reason)
        => moved?.Invoke(new AmqpStateChangedEventArgs(link, from, to, reason));

    internal void Recovered(TimeSpan after) => metrics?.Recovered(after);

    internal void Confirmed(TimeSpan after) => metrics?.Confirmed(after);

    internal void Blocked(string reason) => Log.Blocked(logger, client, link, reason);

    internal void Unblocked(TimeSpan after) => Log.Unblocked(logger, client, link, after.TotalSeconds);

    internal void TopologyRefused(string entity, string reason)
        => _throttle.Tell(entity, reason,
            suppressed => Log.TopologyRefused(logger, client, link, entity, reason, suppressed));

    internal void ConnectionClosedOver(string entity, string reason)
        => Log.ConnectionClosedOver(logger, client, link, entity, reason);

    internal void ConsumerLive(string queue) => Log.ConsumerLive(logger, client, link, queue);

    internal void ConsumerLost(string queue, string reason)
        => _throttle.Tell(queue, reason,
            suppressed => Log.ConsumerLost(logger, client, link, queue, reason, suppressed));

    internal void ConsumerPoisoned(string queue, string reason)
        => Log.ConsumerPoisoned(logger, client, link, queue, reason);

    internal void SecretRenewed() => Log.SecretRenewed(logger, client, link);

    internal void SecretNotRenewed(string reason) => Log.SecretNotRenewed(logger, client, link, reason);

    internal void ReplyQueueCreated(string queue) => Log.ReplyQueueCreated(logger, client, link, queue);

    /// <summary>Logs the failure of a task that is not awaited.</summary>
    internal void Observe(Task task, string what)
    {
        if (task.IsCompletedSuccessfully)
            return;
        _ = task.ContinueWith(
            failed => Log.Unobserved(logger, client, link, what, failed.Exception!.GetBaseException()),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }

    private void Failed(AmqpLinkState from, string detail, string? reason)
    {
        if (from == AmqpLinkState.Open)
        {
            Log.LinkLost(logger, client, link, from, detail);
            return;
        }
        _failures++;
        if (reason == _lastFailure && !BitOperations.IsPow2(_failures))
        {
            _suppressed++;
            Log.FailedAgain(logger, client, link, from, detail);
            return;
        }
        Log.AttemptFailed(logger, client, link, from, detail, _failures, _suppressed);
        (_lastFailure, _suppressed) = (reason, 0);
    }
}

/// <summary>Throttles failures that repeat. Of each kind the first few in a period are logged, and the first one after
/// it says how many were suppressed. A message that fails and is requeued at once would fill a disk. Safe for any
/// thread; the number of kinds is bounded.</summary>
internal sealed class LogThrottle(TimeProvider time)
{
    internal const int LoggedPerPeriod = 5;
    private const int MaxKinds = 256;
    internal static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string, string), Run> _runs = [];

    /// <summary>Has one logged if it is to be, as <see cref="ShouldLog"/> says, with the number of those that were
    /// suppressed.</summary>
    internal void Tell(string what, string how, Action<long> log)
    {
        if (ShouldLog(what, how, out long suppressed))
            log(suppressed);
    }

    /// <summary>Whether to log this one.</summary>
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
