using System.Globalization;
using System.Text;

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

    /// <summary>What happens to a delivery whose handler throws. Not to one that ends because it is
    /// <see cref="AmqpDelivery.Stopping"/>, nor in a sequence (<see cref="IAmqpClient.ReadAllAsync"/>), which has no
    /// handler. One whose headers cannot be read is rejected, whatever this says: no handler sees it, and it would come
    /// again as it is.</summary>
    /// <value>Default: <see cref="AmqpFailurePolicy.Requeue"/>.</value>
    public AmqpFailurePolicy OnFailure { get; init; } = AmqpFailurePolicy.Requeue;

    /// <summary>Acknowledges each delivery when it is received, before the handler runs: what a crash interrupts is
    /// lost, as is what a handler fails on, which is logged, counted and shown. Still under <see cref="Prefetch"/>, so
    /// memory stays bounded.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool AutoAck { get; init; }

    /// <summary>Whether to be the queue's only consumer.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool Exclusive { get; init; }

    /// <summary>The consumer's priority (<c>x-priority</c>).</summary>
    /// <value>Default: none.</value>
    public int? Priority { get; init; }

    /// <summary>Where to begin to read a stream.</summary>
    /// <value>Default: none; the broker's is <see cref="AmqpStreamOffset.Next"/>.</value>
    public AmqpStreamOffset? StreamOffset { get; init; }

    /// <summary>Of a stream, only messages with one of these filter values
    /// (<see cref="AmqpMessage.WithStreamFilterValue"/>). RabbitMQ 3.13 and later leave out chunks that have none of
    /// them; the rest is left out here, as everything is with earlier ones.</summary>
    /// <value>Default: none; every message.</value>
    public IReadOnlyList<string>? StreamFilter { get; init; }

    /// <summary>With <see cref="StreamFilter"/>: whether messages without a filter value come, too.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool StreamMatchUnfiltered { get; init; }

    /// <summary>Further consumer arguments. Those of the options above win.</summary>
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
        foreach (string value in StreamFilter ?? [])
            Check.NotNull(value, nameof(StreamFilter));
        return this;
    }

    /// <param name="queue">The queue to consume, which names its retry queue.</param>
    internal AmqpConsumerOptions ValidatedFor(string queue)
    {
        Check.Name(queue, nameof(queue));
        Validated();
        if (OnFailure.Attempts > 0
            && Encoding.UTF8.GetByteCount(OnFailure.RetryQueueOf(queue)) is > Check.MaxShortString and var bytes)
            throw new ArgumentException($"{nameof(OnFailure)} needs a retry queue named "
                + $"'{OnFailure.RetryQueueOf(queue)}', of {bytes} bytes; a name has at most {Check.MaxShortString}. "
                + $"Use a shorter name for the queue.", nameof(OnFailure));
        return this;
    }
}

/// <summary>What happens to a delivery whose handler throws.</summary>
public sealed class AmqpFailurePolicy
{
    private AmqpFailurePolicy(AmqpSettlement settlement) => Settlement = settlement;

    /// <summary>Back to the queue, to be tried again. Before that it is held, for 50 ms at the first time and twice as
    /// long at each further, up to 5 s; it counts as unsettled meanwhile, and the others of the prefetch go on. A
    /// quorum queue drops a message that comes back too often: see <see cref="AmqpQueue.DeliveryLimit"/>. A stream
    /// takes nothing back: its delivery comes to the handler again after that wait.</summary>
    public static AmqpFailurePolicy Requeue { get; } = new(AmqpSettlement.Requeue);

    /// <summary>To the queue's dead-letter exchange, or away when it has none. A stream, which has none, is read on
    /// behind it.</summary>
    public static AmqpFailurePolicy Reject { get; } = new(AmqpSettlement.Reject);

    /// <summary>A bounded number of further attempts, each after a delay, then <see cref="Reject"/>. Works on classic
    /// and quorum queues: the message waits in a durable queue named <c>{queue}.retry.{delay in ms}</c>, which the
    /// client declares and whose messages expire back into the queue, and its attempts are counted in the header
    /// <c>x-safeamqp-attempts</c>. A crash between the two steps of moving it may repeat an attempt; it never loses the
    /// message. While that queue cannot be used (refused, or another of its name exists) a failed delivery is kept for
    /// the delay, at most a minute, and then requeued, uncounted. A stream gets no copy: its delivery comes to the
    /// handler again after the delay.</summary>
    /// <remarks>The copy carries every property and header octet by octet, but for what would be acted upon again:
    /// <c>CC</c> and <c>BCC</c>, whose queues have theirs; the expiration, which is put back for handlers, and by which
    /// the message does not expire any more; the user id, which the broker would refuse; <c>x-delivery-count</c> and
    /// <c>x-safeamqp-slot</c>.</remarks>
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

    /// <summary>The name of the queue in which a queue's failed messages wait.</summary>
    internal string RetryQueueOf(string queue)
        => string.Create(CultureInfo.InvariantCulture, $"{queue}.retry.{(long)Delay.TotalMilliseconds}");

    internal AmqpSettlement Settlement { get; }
    internal int Attempts { get; private init; }
    internal TimeSpan Delay { get; private init; }
}
