using System.Text;

namespace SafeAmqp;

/// <summary>How a queue is consumed.</summary>
public sealed class AmqpConsumerOptions
{
    /// <summary>How many deliveries may be unsettled at once.</summary>
    /// <value>1 to 65,535. Default: 100.</value>
    public int Prefetch { get; init; } = 100;

    /// <summary>How many handlers run at once.</summary>
    /// <value>1 to 1,024. Default: 1, which keeps the queue's order but for failed deliveries, which others
    /// pass.</value>
    public int Concurrency { get; init; } = 1;

    /// <summary>Deliveries with the same key are handled one after the other, in order; while one of them is held after
    /// a failure, those behind it wait. Runs on a worker, never on the I/O thread. <see langword="null"/> is a key like
    /// any other.</summary>
    /// <value>Default: none; no order among concurrent deliveries.</value>
    public Func<AmqpDelivery, string?>? KeySelector { get; init; }

    /// <summary>What happens to a delivery whose handler throws. It does not apply to a handler that is cancelled
    /// by a stop (<see cref="AmqpDelivery.Stopping"/>), nor to <see cref="IAmqpClient.ReadAllAsync"/>, which has no
    /// handler. A delivery that cannot be read is not tried again, whatever this says: it would come again as it
    /// is.</summary>
    /// <value>Default: <see cref="AmqpFailurePolicy.Default"/>: held and handled again after 1, 5, 20 and 60 s, then
    /// dead-lettered.</value>
    public AmqpFailurePolicy OnFailure { get; init; } = AmqpFailurePolicy.Default;

    /// <summary>Acknowledges each delivery when it is received, before the handler runs: what a crash interrupts is
    /// lost, as is what a handler fails on, which is logged, counted and shown. Still under <see cref="Prefetch"/>, so
    /// memory stays bounded.</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool AutoAck { get; init; }

    /// <summary>The consumer's name at the broker, by which its management and its logs show it: 1 to 255 bytes of
    /// UTF-8. A client has one consumer of a name at a time; another client may have one of the same. It stays over
    /// recoveries.</summary>
    /// <value>Default: none; the client chooses one.</value>
    public string? ConsumerTag { get; init; }

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

    /// <summary>How long all handlers may run before a warning is logged (308) and the readiness check is degraded, as
    /// nothing new is handled.</summary>
    /// <value>1 s to 1 day, or <see cref="Timeout.InfiniteTimeSpan"/> for never. Default: 1 minute.</value>
    public TimeSpan HandlerWarning { get; init; } = TimeSpan.FromMinutes(1);

    internal static readonly AmqpConsumerOptions Default = new();

    internal AmqpConsumerOptions Validated()
    {
        Check.Range(Prefetch, 1, ushort.MaxValue, nameof(Prefetch));
        Check.Range(Concurrency, 1, 1024, nameof(Concurrency));
        Check.Range(StopTimeout, TimeSpan.Zero, TimeSpan.FromMinutes(10), nameof(StopTimeout));
        if (HandlerWarning != Timeout.InfiniteTimeSpan)
            Check.Range(HandlerWarning, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), nameof(HandlerWarning));
        ArgumentNullException.ThrowIfNull(OnFailure);
        if (ConsumerTag is not null)
            Check.Name(ConsumerTag, nameof(ConsumerTag));
        Check.Headers(Arguments, nameof(Arguments));
        foreach (string value in StreamFilter ?? [])
            ArgumentNullException.ThrowIfNull(value, nameof(StreamFilter));
        return this;
    }

    /// <param name="queue">The queue to consume, which names its retry queue.</param>
    internal AmqpConsumerOptions ValidatedFor(string queue)
    {
        Check.Name(queue, nameof(queue));
        Validated();
        if (OnFailure.Attempts > 0)
            CheckNamesBeside(queue, [AmqpFailurePolicy.RetryQueueOf(queue, OnFailure.Delay)]);
        return this;
    }

    /// <summary>What fails must find the queues that it goes to.</summary>
    internal static void CheckNamesBeside(string queue, IEnumerable<string> beside)
    {
        foreach (string name in beside)
        {
            int bytes = Encoding.UTF8.GetByteCount(name);
            if (bytes > Check.MaxShortString)
                throw new ArgumentException($"{nameof(OnFailure)} needs a queue named '{name}', of {bytes} bytes; a "
                    + $"name has at most {Check.MaxShortString}. Use a shorter name for queue '{queue}', or another "
                    + $"policy.", nameof(OnFailure));
        }
    }
}

/// <summary>Where a consumer begins to read a stream (<c>x-stream-offset</c>). After a lost link or channel it goes on
/// behind what it has settled, wherever it began.</summary>
public sealed class AmqpStreamOffset
{
    private readonly string _text;

    private AmqpStreamOffset(object wireValue, string text) => (WireValue, _text) = (wireValue, text);

    /// <summary>At the oldest message that the stream still has.</summary>
    public static AmqpStreamOffset First { get; } = new("first", "first");

    /// <summary>At the newest chunk: the messages that the stream wrote at once, of which the last is its
    /// newest.</summary>
    public static AmqpStreamOffset Last { get; } = new("last", "last");

    /// <summary>At what is published from now on. The broker's default.</summary>
    public static AmqpStreamOffset Next { get; } = new("next", "next");

    /// <summary>At an offset; at the oldest message where that is not there any more.</summary>
    /// <param name="offset">0 or more.</param>
    /// <returns>The offset.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative.</exception>
    public static AmqpStreamOffset At(long offset)
    {
        Check.Range(offset, 0, long.MaxValue, nameof(offset));
        return new AmqpStreamOffset(offset, $"offset {offset}");
    }

    /// <summary>At the chunk that was written at a time: messages may come that are a little older.</summary>
    /// <param name="time">The time, from 1970 on; whole seconds on the wire.</param>
    /// <returns>The offset.</returns>
    /// <exception cref="ArgumentException">The time is before 1970. <see cref="First"/> is the oldest
    /// message.</exception>
    public static AmqpStreamOffset At(DateTimeOffset time)
    {
        Check.Time(time, nameof(time), $"use {nameof(AmqpStreamOffset)}.{nameof(First)} for the oldest message");
        return new AmqpStreamOffset(time, $"{time:O}");
    }

    internal object WireValue { get; }

    /// <summary>Names it.</summary>
    /// <returns>A few words.</returns>
    public override string ToString() => _text;
}
