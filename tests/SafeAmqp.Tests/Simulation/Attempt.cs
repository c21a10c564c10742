using SafeAmqp.Publishing;
using SafeAmqp.Rpc;

namespace SafeAmqp.Tests.Simulation;

internal enum End
{
    Pending,
    Confirmed,
    Posted,
    Replied,
    RemoteFault,
    Cancelled,
    Disposed,
    Returned,
    Nacked,
    Refused,
    NotSent,
    Unknown,
    NoReplyToConfirmed,
    NoReplyToUnknown,
}

/// <summary>One message that a simulated caller sent: its job, and what the simulated broker knows of it.</summary>
internal sealed class Attempt
{
    internal required int Id { get; init; }
    internal required int Publisher { get; init; }
    internal required long Deadline { get; init; }
    internal required AmqpMessage Message { get; init; }
    internal bool IsUnencodable { get; init; }

    /// <summary><see langword="null"/> while its caller waits for credit.</summary>
    internal OutgoingJob? Job { get; set; }

    internal End End { get; set; }

    internal Exception? Error { get; set; }

    /// <summary>The channels that it was passed on over.</summary>
    internal List<SimulatedChannel> Passes { get; } = [];

    internal int Stored { get; set; }

    /// <summary>Where the copy that was passed on last stands among all that the broker stored; 0 when it was not stored.</summary>
    internal long StoredAt { get; set; }
    internal int Acks { get; set; }
    internal int Nacks { get; set; }
    internal int Returns { get; set; }
    internal bool WasRefused { get; set; }
    internal int Replies { get; set; }

    /// <summary>Looks whether the caller has been answered.</summary>
    internal bool HasEnded()
    {
        switch (Job)
        {
            case PublishJob { Task.IsCompleted: true } job:
                End = Read(() => job.Task.GetAwaiter().GetResult(), End.Confirmed);
                return true;
            case PostJob { Task.IsCompleted: true } job:
                End = Read(() => job.Task.GetAwaiter().GetResult(), End.Posted);
                return true;
            case CallJob { Task.IsCompleted: true } job:
                End = Read(() => job.Task.GetAwaiter().GetResult(), End.Replied);
                return true;
            default:
                return false;
        }
    }

    private End Read(Action result, End success)
    {
        try
        {
            result();
            return success;
        }
        catch (Exception error)
        {
            Error = error;
            return error switch
            {
                OperationCanceledException => End.Cancelled,
                ObjectDisposedException => End.Disposed,
                AmqpReturnedException => End.Returned,
                AmqpNackedException => End.Nacked,
                AmqpRefusedException => End.Refused,
                AmqpNotSentException => End.NotSent,
                AmqpUnknownOutcomeException => End.Unknown,
                AmqpRemoteException => End.RemoteFault,
                AmqpNoReplyException { Outcome: AmqpOutcome.Confirmed } => End.NoReplyToConfirmed,
                AmqpNoReplyException { Outcome: AmqpOutcome.Unknown } => End.NoReplyToUnknown,
                _ => throw new ViolationException($"attempt {Id} ended in an unexpected {error}"),
            };
        }
    }
}
