using SafeAmqp.Actor;

namespace SafeAmqp;

/// <summary>The root of everything that the library throws about the broker. Bad arguments are
/// <see cref="ArgumentException"/>s, cancelled operations <see cref="OperationCanceledException"/>s. A time-out is an
/// <see cref="AmqpException"/> with a <see cref="TimeoutException"/> inside.</summary>
public abstract class AmqpException : Exception
{
    private protected AmqpException(string message, Exception? inner = null, AmqpClientStatus? status = null,
        CloseReason? end = null) : base(message, inner)
    {
        Status = status;
        if (end is { ByBroker: true })
            (ReplyCode, ReplyText) = (end.Code, end.Text);
        string? page = this switch
        {
            AmqpReturnedException => "no-route",
            AmqpNackedException => "nacked",
            AmqpNotSentException => "not-sent",
            AmqpUnknownOutcomeException => "unknown-outcome",
            AmqpNoReplyException => "no-reply",
            _ => null, // it may mean several things
        };
        HelpLink = page is null ? null : $"https://github.com/safeamqp/safeamqp/blob/main/docs/messages/{page}.md";
    }

    /// <summary>What became of the message, when the exception is about one: for a call, of its request.</summary>
    public AmqpOutcome? Outcome { get; private protected init; }

    /// <summary>Whether doing the same again can neither duplicate nor reorder anything.</summary>
    /// <value><see langword="false"/> for <see cref="AmqpOutcome.Unknown"/> and after a call whose request
    /// arrived.</value>
    public bool IsSafeToRepeat => Outcome is not (AmqpOutcome.Unknown or AmqpOutcome.Confirmed);

    /// <summary>The broker's reply code (AMQP 0-9-1, section 1.2), when it gave one.</summary>
    public int? ReplyCode { get; init; }

    /// <summary>The broker's reply text, shortened and with control characters escaped, when it gave one.</summary>
    public string? ReplyText { get; init; }

    /// <summary>The state of the client when this happened.</summary>
    public AmqpClientStatus? Status { get; init; }

    /// <summary>The message, the stack trace, and the state of the client.</summary>
    /// <returns>Several lines.</returns>
    public override string ToString()
        => Status is null ? base.ToString() : $"{base.ToString()}{Environment.NewLine}The client: {Status}";
}

/// <summary>No queue received the message. Repeating it is safe, and useless until a queue is bound.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/no-route.md"/>
public sealed class AmqpReturnedException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpReturnedException(string message, Exception? innerException = null)
        : this(message, status: null, inner: innerException) { }

    internal AmqpReturnedException(string message, AmqpClientStatus? status, CloseReason? reply = null,
        Exception? inner = null) : base(message, inner, status, reply) => Outcome = AmqpOutcome.Returned;
}

/// <summary>The broker refused the message without a reason. Repeating it is safe; wait before.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/nacked.md"/>
public sealed class AmqpNackedException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpNackedException(string message, Exception? innerException = null)
        : this(message, status: null, inner: innerException) { }

    internal AmqpNackedException(string message, AmqpClientStatus? status, Exception? inner = null)
        : base(message, inner, status) => Outcome = AmqpOutcome.Nacked;
}

/// <summary>The broker refused the message and said why. Repeating it fails again until the cause is removed.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/no-exchange.md"/>
public sealed class AmqpRefusedException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpRefusedException(string message, Exception? innerException = null)
        : this(message, status: null, inner: innerException) { }

    internal AmqpRefusedException(string message, AmqpClientStatus? status, CloseReason? end = null,
        Exception? inner = null) : base(message, inner, status, end) => Outcome = AmqpOutcome.Refused;
}

/// <summary>The message never left this process. Repeating it is safe.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/not-sent.md"/>
public sealed class AmqpNotSentException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpNotSentException(string message, Exception? innerException = null)
        : this(message, innerException, status: null) { }

    internal AmqpNotSentException(string message, Exception? inner, AmqpClientStatus? status)
        : base(message, inner, status) => Outcome = AmqpOutcome.NotSent;
}

/// <summary>A delivered message cannot be read as what its handler takes, and would not be at another try. Thrown by
/// typed consumers, and by handlers that read bodies themselves: the delivery is rejected at once, whatever
/// <see cref="AmqpConsumerOptions.OnFailure"/> says.</summary>
public sealed class AmqpUnreadableException : AmqpException
{
    /// <summary>Creates an instance.</summary>
    /// <param name="message">The error message, without the body's content.</param>
    /// <param name="innerException">The exception that reading threw, if any.</param>
    public AmqpUnreadableException(string message, Exception? innerException = null) : base(message, innerException) { }
}

/// <summary>The message left, and nothing tells whether it arrived. Repeating it may duplicate it.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/unknown-outcome.md"/>
public sealed class AmqpUnknownOutcomeException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpUnknownOutcomeException(string message, Exception? innerException = null)
        : this(message, innerException, status: null) { }

    internal AmqpUnknownOutcomeException(string message, Exception? inner, AmqpClientStatus? status,
        CloseReason? end = null) : base(message, inner, status, end) => Outcome = AmqpOutcome.Unknown;
}

/// <summary>The request of a call left, and no reply came: the time ran out or the link that carries replies was lost.
/// The other side may have done the work.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/no-reply.md"/>
public sealed class AmqpNoReplyException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="request">What became of the request.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpNoReplyException(string message, AmqpOutcome request, Exception? innerException = null)
        : this(message, request, innerException, status: null) { }

    internal AmqpNoReplyException(string message, AmqpOutcome request, Exception? inner, AmqpClientStatus? status)
        : base(message, inner, status) => Outcome = request;
}

/// <summary>The other side of a call answered with a fault. It carries the fault's type and message, never its stack
/// trace.</summary>
public sealed class AmqpRemoteException : AmqpException
{
    /// <summary>Creates an instance, for tests too.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="remoteType">The name of the type of the exception that the handler threw.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpRemoteException(string message, string remoteType, Exception? innerException = null)
        : base(message, innerException)
    {
        RemoteType = remoteType;
        Outcome = AmqpOutcome.Confirmed;
    }

    /// <summary>The name of the type of the exception that the handler threw.</summary>
    public string RemoteType { get; }
}

/// <summary>The broker refused an exchange, a queue, a binding or a consumer, or did not answer in time. The message
/// names it.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/precondition-failed.md"/>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/no-queue.md"/>
public sealed class AmqpTopologyException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="entity">The entity.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpTopologyException(string message, string entity, Exception? innerException = null)
        : this(message, entity, status: null, inner: innerException) { }

    internal AmqpTopologyException(string message, string entity, AmqpClientStatus? status, CloseReason? end = null,
        Exception? inner = null) : base(message, inner ?? end?.Error, status, end) => Entity = entity;

    /// <summary>The entity, such as <c>queue 'orders'</c>.</summary>
    public string Entity { get; }

    /// <summary>Whether it cost a connection, as the next try would.</summary>
    internal bool EndedConnection { get; init; }

    /// <summary>A consumer that could not be started, and why.</summary>
    internal static AmqpTopologyException OfConsumer(string queue, CloseReason end, AmqpClientStatus status)
    {
        string why = end.Error is TimeoutException ? $": {Telemetry.WaitReason.NotDone(status)}" : "";
        return new($"Queue '{queue}' cannot be consumed: {end.Describe()}{why}.", $"queue '{queue}'", status, end);
    }
}

/// <summary>A message is larger than <see cref="AmqpClientOptions.MaxMessageSize"/>, or ended the link twice, as its
/// frames were malformed. Its consumer was stopped, as the broker would deliver it again and again; it is still in its
/// queue. Consuming again is useful once it has been removed, or the limit raised.</summary>
public sealed class AmqpPoisonException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="queue">The queue that holds the message.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpPoisonException(string message, string queue, Exception? innerException = null)
        : this(message, queue, innerException, status: null) { }

    internal AmqpPoisonException(string message, string queue, Exception? inner, AmqpClientStatus? status)
        : base(message, inner, status) => Queue = queue;

    /// <summary>The queue that holds the message.</summary>
    public string Queue { get; }
}

/// <summary>No connection could be made.</summary>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/connection-refused.md"/>
/// <seealso href="https://github.com/safeamqp/safeamqp/blob/main/docs/messages/login-refused.md"/>
public sealed class AmqpConnectException : AmqpException
{
    /// <summary>Creates an instance, for tests.</summary>
    /// <param name="message">The error message.</param>
    /// <param name="isRefused">Whether the broker refused.</param>
    /// <param name="innerException">The exception that is the cause, if any.</param>
    public AmqpConnectException(string message, bool isRefused, Exception? innerException = null)
        : this(message, isRefused, status: null, inner: innerException) { }

    internal AmqpConnectException(string message, bool isRefused, AmqpClientStatus? status, CloseReason? end = null,
        Exception? inner = null) : base(message, inner ?? end?.Error, status, end) => IsRefused = isRefused;

    /// <summary>Whether the broker was reached and refused: wrong credentials, no access to the virtual host.</summary>
    public bool IsRefused { get; }
}

/// <summary>What became of a message that was given to the client.</summary>
public enum AmqpOutcome
{
    /// <summary>The broker took responsibility for it.</summary>
    Confirmed,

    /// <summary>The broker could route it to no queue and gave it back (<c>basic.return</c>). No queue has
    /// it.</summary>
    Returned,

    /// <summary>The broker refused it without a reason (<c>basic.nack</c>): a full queue, a queue without
    /// leader.</summary>
    Nacked,

    /// <summary>The broker closed the channel over it: no such exchange, no permission, too large.</summary>
    Refused,

    /// <summary>It never left this process. Repeating it is safe.</summary>
    NotSent,

    /// <summary>It left, and the link was lost or the time ran out before the broker's answer. Repeating it may
    /// duplicate it.</summary>
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
