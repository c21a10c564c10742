using SafeAmqp.Actor;

namespace SafeAmqp;

/// <summary>Waits that may be given up, and those of several at once. What they leave behind may fail later; that is
/// seen here, so that the process is told of no unobserved exception.</summary>
internal static class LeftBehind
{
    internal static Task WaitOrLeaveAsync(this Task task, CancellationToken cancellationToken)
        => task.WaitOrLeaveAsync(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

    internal static Task WaitOrLeaveAsync(this Task task, TimeSpan timeout, TimeProvider time,
        CancellationToken cancellationToken = default)
    {
        task.Forget();
        return task.WaitAsync(timeout, time, cancellationToken);
    }

    /// <summary>What a wait ends in that its token ended, with the last reason why there was no link, if there was
    /// none.</summary>
    internal static OperationCanceledException GivenUp(string what, AmqpClientStatus status, CancellationToken token)
    {
        CloseReason? last = status.Links.Where(link => link.State != AmqpLinkState.Open).Select(link => link.LastEnd)
            .FirstOrDefault(end => end is not null);
        if (last is null)
            return new OperationCanceledException($"{what}.", token);
        var reason = new AmqpConnectException($"There is no open connection to the broker: {last.Describe()}.",
            last.Code is 403 or 530, status, last);
        return new OperationCanceledException($"{what}; the last reason was: {last.Describe()}.", reason, token);
    }

    /// <summary>A task that several may wait for: each goes on on its own thread. Otherwise they would go on one after
    /// the other on the thread that ended the task, and one that blocks until another has gone on would hang.</summary>
    internal static Task Shared(this Task task)
    {
        var shared = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ = task.ContinueWith(shared.SetFromTask, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        return shared.Task;
    }

    /// <summary>Sees how a task fails that may not be awaited then. It can be awaited all the same.</summary>
    internal static void Forget(this Task task)
    {
        if (task.IsCompletedSuccessfully)
            return;
        _ = task.ContinueWith(static done => _ = done.Exception, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }
}
