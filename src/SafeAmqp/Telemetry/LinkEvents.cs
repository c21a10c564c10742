using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry;

/// <summary>What a link reports of itself as it happens.</summary>
internal sealed class LinkEvents(ILogger logger, string link)
{
    internal void ThreadStarted(string thread) => Log.ThreadStarted(logger, thread);

    internal void ThreadCrashed(Exception error) => Log.ThreadCrashed(logger, link, error);

    internal void StateChanged(AmqpLinkState from, AmqpLinkState to, int epoch, string detail)
    {
        if (to == AmqpLinkState.Waiting)
            Log.LinkLost(logger, link, from, epoch, detail);
        else
            Log.StateChanged(logger, link, from, to, epoch, detail);
    }

    internal void Blocked(string reason) => Log.Blocked(logger, link, reason);

    internal void Unblocked(TimeSpan after) => Log.Unblocked(logger, link, after.TotalSeconds);

    internal void TopologyRefused(string entity, string reason) => Log.TopologyRefused(logger, link, entity, reason);

    internal void ConsumerLive(string queue) => Log.ConsumerLive(logger, link, queue);

    internal void ConsumerLost(string queue, string reason) => Log.ConsumerLost(logger, link, queue, reason);

    internal void ReplyQueueCreated(string queue) => Log.ReplyQueueCreated(logger, link, queue);

    /// <summary>Sees to it that a failure of a task that nobody waits for is not lost.</summary>
    internal void Observe(Task task, string what)
    {
        if (task.IsCompletedSuccessfully)
            return;
        _ = task.ContinueWith(failed => Log.Unobserved(logger, link, what, failed.Exception!.GetBaseException()), CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }
}
