using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Simulation.Brokers;
using SafeAmqp.Simulation.Checking;

namespace SafeAmqp.Simulation.Runs;

/// <summary>An attempt while it is under way: its job, and the channels that it took.</summary>
internal sealed class Sending(Attempt attempt, AmqpMessage message)
{
    internal Attempt Attempt => attempt;

    internal AmqpMessage Message => message;

    /// <summary><see langword="null"/> while its caller waits for credit.</summary>
    internal OutgoingJob? Job { get; set; }

    internal string CorrelationId { get; set; } = "";

    internal List<SimulatedChannel> Channels { get; } = [];

    /// <summary>Whether the actor has seen the broker answer for it.</summary>
    internal bool IsAnswered { get; set; }

    /// <summary>
    /// The channel that its reply comes over; <see langword="null"/> when it has none, or comes to a fixed queue.
    /// </summary>
    internal SimulatedChannel? WayBack { get; set; }

    /// <summary>What its publisher does when it has ended.</summary>
    internal Action? Next { get; set; }

    /// <summary>Looks whether the caller has been answered, and with what.</summary>
    internal bool HasEnded(out End end)
    {
        (bool ended, end) = Job switch
        {
            PostJob { Task.IsCompleted: true } job => (true, Read(() => job.Task.GetAwaiter().GetResult(), End.Posted)),
            PublishJob { Task.IsCompleted: true } job =>
                (true, Read(() => job.Task.GetAwaiter().GetResult(), End.Confirmed)),
            CallJob { Task.IsCompleted: true } job => (true, Read(
                () => attempt.ReplyOf = World.RequestOf(job.Task.GetAwaiter().GetResult().Message), End.Replied)),
            _ => (false, End.Pending),
        };
        return ended;
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
                _ => throw new ViolationException($"attempt {attempt.Id} ended in an unexpected {error}"),
            };
        }
    }
}
