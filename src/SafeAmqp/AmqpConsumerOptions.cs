namespace SafeAmqp;

/// <summary>How a queue is consumed.</summary>
public sealed class AmqpConsumerOptions
{
    /// <summary>How many deliveries may be unsettled at once.</summary>
    /// <value>1 to 65,535. Default: 100.</value>
    public int Prefetch { get; init; } = 100;

    /// <summary>How many handlers run at once.</summary>
    /// <value>1 to 1,024. Default: 1, which keeps the queue's order.</value>
    public int Concurrency { get; init; } = 1;

    /// <summary>With <see cref="Concurrency"/> above 1: deliveries with the same key are handled one after the other,
    /// in order. Runs on a worker, never on the I/O thread. <see langword="null"/> is a key like any other.</summary>
    /// <value>Default: none; no order among concurrent deliveries.</value>
    public Func<AmqpDelivery, string?>? KeySelector { get; init; }

    /// <summary>What happens to a delivery whose handler throws. One whose headers cannot be read is rejected, whatever
    /// this says: no handler sees it, and it would come again as it is.</summary>
    /// <value>Default: <see cref="AmqpFailurePolicy.Requeue"/>.</value>
    public AmqpFailurePolicy OnFailure { get; init; } = AmqpFailurePolicy.Requeue;

    /// <summary>Acknowledges each delivery when it is received, before the handler runs: what a crash interrupts is
    /// lost. Still under <see cref="Prefetch"/>, so memory stays bounded.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool AutoAck { get; init; }

    /// <summary>Whether to be the queue's only consumer.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool Exclusive { get; init; }

    /// <summary>The consumer's priority (<c>x-priority</c>).</summary>
    /// <value>Default: none.</value>
    public int? Priority { get; init; }

    /// <summary>Further consumer arguments, such as <c>x-stream-offset</c>.</summary>
    /// <value>Default: none.</value>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

    /// <summary>How long stopping waits for handlers that are running. Deliveries not begun go back to the queue at
    /// once.</summary>
    /// <value>Zero to 10 minutes. Default: 30 s.</value>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(30);

    internal static readonly AmqpConsumerOptions Default = new();

    internal AmqpConsumerOptions Validated()
    {
        Check.Range(Prefetch, 1, ushort.MaxValue, nameof(Prefetch));
        Check.Range(Concurrency, 1, 1024, nameof(Concurrency));
        Check.Range(StopTimeout, TimeSpan.Zero, TimeSpan.FromMinutes(10), nameof(StopTimeout));
        Check.NotNull(OnFailure, nameof(OnFailure));
        Check.Headers(Arguments, nameof(Arguments));
        return this;
    }
}

/// <summary>What happens to a delivery whose handler throws.</summary>
public sealed class AmqpFailurePolicy
{
    private AmqpFailurePolicy(AmqpSettlement settlement) => Settlement = settlement;

    /// <summary>Back to the queue, to be tried again at once.</summary>
    public static AmqpFailurePolicy Requeue { get; } = new(AmqpSettlement.Requeue);

    /// <summary>To the queue's dead-letter exchange, or away when it has none.</summary>
    public static AmqpFailurePolicy Reject { get; } = new(AmqpSettlement.Reject);

    /// <summary>A bounded number of further attempts, each after a delay, then <see cref="Reject"/>. Works on classic
    /// and quorum queues: the message waits in a durable queue named <c>{queue}.retry.{delay in ms}</c>, which the
    /// client declares and whose messages expire back into the queue, and its attempts are counted in the header
    /// <c>x-safeamqp-attempts</c>. A crash between the two steps of moving it may repeat an attempt; it never loses the
    /// message. While that queue cannot be used (refused, or another of its name exists) a failed delivery is kept for
    /// the delay, at most a minute, and then requeued, uncounted.</summary>
    /// <param name="attempts">Further attempts after the first: 1 to 1,000.</param>
    /// <param name="delay">The wait before each: 1 ms to 7 days.</param>
    /// <returns>The policy.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of its range.</exception>
    public static AmqpFailurePolicy Retry(int attempts, TimeSpan delay)
    {
        Check.Range(attempts, 1, 1000, nameof(attempts));
        Check.Range(delay, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7), nameof(delay));
        return new AmqpFailurePolicy(AmqpSettlement.Reject) { Attempts = attempts, Delay = delay };
    }

    internal AmqpSettlement Settlement { get; }
    internal int Attempts { get; private init; }
    internal TimeSpan Delay { get; private init; }
}
