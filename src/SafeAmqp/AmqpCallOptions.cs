namespace SafeAmqp;

/// <summary>How a call is made.</summary>
public sealed class AmqpCallOptions
{
    /// <summary>The deadline, from the call to the reply. It goes with the request as its expiration and in the header
    /// <c>x-safeamqp-deadline</c>, so that a late request is not worked on.</summary>
    /// <value>10 ms to 7 days. Default: 30 s.</value>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where the reply comes to.</summary>
    /// <value>Default: <see cref="AmqpReplyAddress.Exclusive"/>.</value>
    public AmqpReplyAddress ReplyTo { get; init; } = AmqpReplyAddress.Exclusive;

    internal static readonly AmqpCallOptions Default = new();

    internal AmqpCallOptions Validated()
    {
        Check.Range(Timeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(7), nameof(Timeout));
        ArgumentNullException.ThrowIfNull(ReplyTo);
        return this;
    }
}

/// <summary>Where replies come to.</summary>
public abstract class AmqpReplyAddress
{
    /// <summary>What a caller consumes, and names as its reply address, for direct reply-to.</summary>
    internal const string PseudoQueue = "amq.rabbitmq.reply-to";

    private protected AmqpReplyAddress() { }

    /// <summary>A server-named exclusive queue, made once per connection and shared by all calls. Lost with the link,
    /// and its calls with it.</summary>
    public static AmqpReplyAddress Exclusive { get; } = new OwnedReplyAddress();

    /// <summary>RabbitMQ's direct reply-to: no queue, for rare calls. Lost with the link, and its calls with
    /// it.</summary>
    public static AmqpReplyAddress Direct { get; } = new OwnedReplyAddress();

    /// <summary>A queue that exists already and outlives the link, so that calls wait over a recovery. All its messages
    /// come to this client: it may have no other consumer.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="correlate">Finds the id of the call that a message answers, in a header or in the body;
    /// <see langword="null"/> when it answers none. Runs on a worker. Default: the message's correlation id.</param>
    /// <param name="unmatched">Handles messages that answer no pending call, which count as late in any case. Default:
    /// they are acknowledged.</param>
    /// <returns>The address. Make it once and use it for all calls.</returns>
    /// <exception cref="ArgumentException">The name is empty or longer than 255 bytes.</exception>
    public static AmqpReplyAddress Queue(string queue, Func<AmqpMessage, string?>? correlate = null,
        AmqpHandler? unmatched = null)
    {
        Check.Name(queue, nameof(queue));
        return new FixedReplyAddress(queue, correlate ?? (message => message.CorrelationId), unmatched);
    }

    internal sealed class OwnedReplyAddress : AmqpReplyAddress;

    internal sealed class FixedReplyAddress(string queue, Func<AmqpMessage, string?> correlate, AmqpHandler? unmatched)
        : AmqpReplyAddress
    {
        internal string QueueName { get; } = queue;
        internal Func<AmqpMessage, string?> Correlate { get; } = correlate;
        internal AmqpHandler? Unmatched { get; } = unmatched;
    }
}

/// <summary>The reply to a call.</summary>
/// <param name="message">The reply as it was published.</param>
/// <param name="elapsed">From the call to the reply.</param>
public sealed class AmqpReply(AmqpMessage message, TimeSpan elapsed)
{
    /// <summary>The reply as it was published.</summary>
    public AmqpMessage Message { get; } = message;

    /// <summary>From the call to the reply.</summary>
    public TimeSpan Elapsed { get; } = elapsed;

    /// <summary>The reply's body.</summary>
    public ReadOnlyMemory<byte> Body => Message.Body;
}

/// <summary>Answers a request. An exception travels back as <see cref="AmqpRemoteException"/>, without its stack
/// trace.</summary>
/// <param name="request">The request.</param>
/// <param name="abandoned">Cancelled when the caller waits no longer: the request's deadline passed, or its delivery
/// was lost.</param>
/// <returns>The reply. Its address and correlation id are set by the client.</returns>
public delegate ValueTask<AmqpMessage> AmqpRequestHandler(AmqpDelivery request, CancellationToken abandoned);

/// <summary>Answers a request that was read as a value. An exception travels back as <see cref="AmqpRemoteException"/>,
/// without its stack trace.</summary>
/// <typeparam name="TRequest">What the request holds.</typeparam>
/// <typeparam name="TReply">What the reply holds.</typeparam>
/// <param name="request">The request, never <see langword="null"/>.</param>
/// <param name="delivery">The delivery it came with.</param>
/// <param name="abandoned">Cancelled when the caller waits no longer: the request's deadline passed, or its delivery
/// was lost.</param>
/// <returns>The reply; may be <see langword="null"/>.</returns>
public delegate ValueTask<TReply> AmqpRequestHandler<in TRequest, TReply>(TRequest request, AmqpDelivery delivery,
    CancellationToken abandoned);

/// <summary>How requests are served.</summary>
public sealed class AmqpServeOptions
{
    /// <summary>How the request queue is consumed.</summary>
    /// <value>Default: prefetch 100, one request at a time; a handler's worker does not wait for its reply to leave. A
    /// failure policy other than the default has no effect: a failed request is answered. With
    /// <see cref="AmqpConsumerOptions.AutoAck"/> each reply is published on its own, and waited for.</value>
    public AmqpConsumerOptions Consumer { get; init; } = AmqpConsumerOptions.Default;

    /// <summary>Whether the fault's message goes to the caller. Its type always does.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    public bool SendFaultMessages { get; init; } = true;

    internal static readonly AmqpServeOptions Default = new();
}

/// <summary>How a call with many replies is made.</summary>
public sealed class AmqpCallManyOptions
{
    /// <summary>How long the next reply may take, from the request on and then from when the loop asks for it. It goes
    /// with the request as its expiration and in the header <c>x-safeamqp-deadline</c>, so that a late request is not
    /// worked on.</summary>
    /// <value>10 ms to 7 days. Default: 30 s.</value>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How many replies the server may send ahead of the loop. It waits for the loop beyond that.</summary>
    /// <value>1 to 10,000. Default: 100.</value>
    public int Prefetch { get; init; } = 100;

    internal static readonly AmqpCallManyOptions Default = new();

    internal AmqpCallManyOptions Validated()
    {
        Check.Range(IdleTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(7), nameof(IdleTimeout));
        Check.Range(Prefetch, 1, 10_000, nameof(Prefetch));
        return this;
    }
}

/// <summary>Answers a request with many replies, in their order. An exception travels back as
/// <see cref="AmqpRemoteException"/>, without its stack trace, behind the replies before it.</summary>
/// <param name="request">The request.</param>
/// <param name="abandoned">Cancelled when the replies are not read any more: the caller has left its loop or is gone,
/// the request's delivery was lost, or the server stops.</param>
/// <returns>The replies. Their addresses and correlation ids are set by the client. The next one is asked for when the
/// caller takes it.</returns>
public delegate IAsyncEnumerable<AmqpMessage> AmqpRepliesHandler(AmqpDelivery request, CancellationToken abandoned);

/// <summary>Answers a request that was read as a value with many replies, as <see cref="AmqpRepliesHandler"/>
/// does.</summary>
/// <typeparam name="TRequest">What the request holds.</typeparam>
/// <typeparam name="TReply">What a reply holds.</typeparam>
/// <param name="request">The request, never <see langword="null"/>.</param>
/// <param name="delivery">The delivery it came with.</param>
/// <param name="abandoned">Cancelled when the replies are not read any more.</param>
/// <returns>The replies; each may be <see langword="null"/>.</returns>
public delegate IAsyncEnumerable<TReply> AmqpRepliesHandler<in TRequest, out TReply>(TRequest request,
    AmqpDelivery delivery, CancellationToken abandoned);
