namespace SafeAmqp;

/// <summary>What became of a message that was given to the client.</summary>
public enum AmqpOutcome
{
    /// <summary>The broker took responsibility for it.</summary>
    Confirmed,

    /// <summary>
    /// The broker could route it to no queue and gave it back (<c>basic.return</c>). Nobody received it.
    /// </summary>
    Returned,

    /// <summary>
    /// The broker refused it without a reason (<c>basic.nack</c>): a full queue, a queue without leader.
    /// </summary>
    Nacked,

    /// <summary>The broker closed the channel over it: no such exchange, no permission, too large.</summary>
    Refused,

    /// <summary>It never left this process. Repeating it is safe.</summary>
    NotSent,

    /// <summary>
    /// It left, and the link was lost or the time ran out before the broker's answer. Repeating it may duplicate it.
    /// </summary>
    Unknown,
}

/// <summary>The outcome of one message of a batch.</summary>
/// <param name="Outcome">What became of the message.</param>
/// <param name="Error">Why it was not confirmed; <see langword="null"/> when it was.</param>
public readonly record struct AmqpPublishResult(AmqpOutcome Outcome, AmqpException? Error)
{
    /// <summary>Whether the broker confirmed the message.</summary>
    public bool IsConfirmed => Outcome == AmqpOutcome.Confirmed;

    /// <summary>Throws <see cref="Error"/> unless the message was confirmed.</summary>
    /// <exception cref="AmqpException">The message was not confirmed.</exception>
    public void ThrowIfNotConfirmed()
    {
        if (Error is not null)
            throw Error;
    }
}
