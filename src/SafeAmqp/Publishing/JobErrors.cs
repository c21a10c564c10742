using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Publishing;

/// <summary>
/// The exceptions in which jobs end, each with what became of the message, why, and the state of the client.
/// </summary>
internal static class JobErrors
{
    internal static AmqpException Returned(OutgoingJob job, CloseReason reply, AmqpClientStatus status)
        => job.IsRepeated ? Repeated(job, reply, status)
            : new AmqpReturnedException($"The broker returned the {job.Message}: {reply.Describe()}. No queue "
                + $"received it. {status}")
            {
                ReplyCode = reply.Code,
                ReplyText = reply.Text,
                Status = status,
            };

    internal static AmqpException Nacked(OutgoingJob job, AmqpClientStatus status)
        => job.IsRepeated ? Repeated(job, new CloseReason(0, "basic.nack", ByBroker: false), status)
            : new AmqpNackedException($"The broker refused the {job.Message} without a reason (basic.nack): a full "
                + $"queue, or one without a leader. {status}")
            {
                Status = status,
            };

    internal static AmqpException Refused(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => job.IsRepeated ? Repeated(job, end, status)
            : new AmqpRefusedException($"The broker refused the {job.Message}: {end.Describe()}. {status}")
            {
                ReplyCode = end.Code,
                ReplyText = end.Text,
                Status = status,
            };

    internal static AmqpException NotSent(OutgoingJob job, string why, AmqpClientStatus status, Exception? inner = null)
        => new AmqpNotSentException($"The {job.Message} was not sent: {why}. {status}", inner) { Status = status };

    internal static AmqpException Unknown(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => new AmqpUnknownOutcomeException($"The {job.Message} was sent and not answered: {end.Describe()}. It may "
            + $"or may not have arrived. {status}", end.Error)
        {
            ReplyCode = end.ByBroker ? end.Code : null,
            ReplyText = end.ByBroker ? end.Text : null,
            Status = status,
        };

    // The broker's answer to the last copy says nothing about those before it.
    private static AmqpException Repeated(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => Unknown(job, end with { Text = $"it was sent again, and then refused or returned ({end.Text})" }, status);

    /// <summary>The end of a job whose deadline came: its own state decides between not sent and unknown.</summary>
    /// <param name="job">The job.</param>
    /// <param name="now">The time.</param>
    /// <param name="status">The state of the client, which says why.</param>
    /// <param name="line">Its place in the queue, if it waited in one.</param>
    internal static AmqpException TimedOut(OutgoingJob job, long now, AmqpClientStatus status, string? line = null)
    {
        string waited = StatusText.Seconds(TimeSpan.FromTicks(now - job.AcceptedAt));
        var timeout = new TimeoutException($"Timed out after {waited}.");
        return job.WasPassed
            ? new AmqpUnknownOutcomeException($"The {job.Message} was sent and not answered within {waited}: "
                + $"{WaitReason.NotAnswered(status)}. It may or may not have arrived. {status}", timeout)
            {
                Status = status,
            }
            : NotSent(job, $"timed out after {waited}: {WaitReason.NotSent(status)}{(line is null ? "" : $"; {line}")}",
                status, timeout);
    }
}
