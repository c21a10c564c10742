using System.Globalization;

namespace SafeAmqp;

/// <summary>What happens to a delivery whose handler throws.</summary>
public sealed class AmqpFailurePolicy
{
    private AmqpFailurePolicy(AmqpSettlement settlement) => Settlement = settlement;

    /// <summary>Neither spins nor loses: <see cref="Hold"/> for 1, 5, 20 and 60 s.</summary>
    public static AmqpFailurePolicy Default { get; } = Hold(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5),
        TimeSpan.FromSeconds(20), TimeSpan.FromMinutes(1));

    /// <summary>Holds a failed delivery and handles it again, in this process, after each of the delays, jittered by up
    /// to a fifth; then it is dead-lettered. Nothing is requeued, no worker waits, and other deliveries pass it, but
    /// for those of its key (<see cref="AmqpConsumerOptions.KeySelector"/>). A lost link starts the count anew, as the
    /// broker delivers what was held again.</summary>
    /// <remarks>
    /// <para>At most half of the prefetch is held, and nothing past half of the broker's consumer time-out (of 30
    /// minutes, unless the queue was declared here with another): beyond that the message waits in the retry queue that
    /// <see cref="Retry"/> describes, with its count. With a key selector all are held, as order goes first: a consumer
    /// whose whole prefetch waits for failed keys receives nothing meanwhile.</para>
    /// <para>What has failed for the last time goes to the queue's own dead-letter exchange, when this client declared
    /// the queue with one. Otherwise it goes to a durable queue named <c>{queue}.dead</c>, which the client declares
    /// at the first failure, and which confirms the message before it is acknowledged; so does what cannot be read, at
    /// once. <see cref="IAmqpAdmin.ReturnDeadAsync"/> moves it back. While that queue takes nothing (no
    /// permission, no such queue, full) a warning and the consumer's status say so, and the delivery is held: moving it
    /// is tried again after the longest delay, and after 10 minutes it returns to its queue, with a new count.</para>
    /// <para>Exclusive, auto-delete and server-named queues have no retry and no dead queue: what failed for the last
    /// time is rejected, as it would go with the queue. A stream is read on behind it. What can wait in this process
    /// alone, which is theirs, a stream's and a key's, has failed for the last time when its next wait would end past
    /// half of that time-out.</para>
    /// </remarks>
    /// <param name="delays">The wait before each further attempt: 1 to 100 of 1 ms to 7 days.</param>
    /// <returns>The policy.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of its range.</exception>
    public static AmqpFailurePolicy Hold(params TimeSpan[] delays)
    {
        ArgumentNullException.ThrowIfNull(delays);
        Check.Range(delays.Length, 1, 100, nameof(delays));
        foreach (TimeSpan delay in delays)
            Check.Range(delay, TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(7), nameof(delays));
        return new AmqpFailurePolicy(AmqpSettlement.Reject) { Delays = [.. delays] };
    }

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
    /// the delay, at most a minute, and then requeued, uncounted. A stream, and a queue that is exclusive, auto-delete
    /// or server-named, gets no queue beside it: its delivery is held in this process and comes to the handler again
    /// after the delay, unless that ends past half of the broker's consumer time-out.</summary>
    /// <remarks>
    /// <para>For a quorum queue that this client declared it is a quorum queue as well, which keeps a message until the
    /// queue that it returns to has confirmed it (<c>x-dead-letter-strategy: at-least-once</c>). Where the type is not
    /// known it is the default of the virtual host. One that exists is used whichever type it has.</para>
    /// <para>The copy carries every property and header octet by octet, but for what would be acted upon again:
    /// <c>CC</c> and <c>BCC</c>, whose queues have theirs; the expiration, which is put back for handlers, and by which
    /// the message does not expire any more; the user id, which the broker would refuse; <c>x-delivery-count</c> and
    /// <c>x-safeamqp-slot</c>.</para>
    /// </remarks>
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
    internal static string RetryQueueOf(string queue, TimeSpan delay)
        => string.Create(CultureInfo.InvariantCulture, $"{queue}.retry.{(long)delay.TotalMilliseconds}");

    /// <summary>The name of the queue for a queue's messages that failed for the last time.</summary>
    internal static string DeadQueueOf(string queue) => $"{queue}.dead";

    /// <summary>The queues beside a queue to which what is held may go; none where nothing is held.</summary>
    internal IEnumerable<string> QueuesOfHeld(string queue)
        => Delays.Count == 0 ? [] : [DeadQueueOf(queue), .. Delays.Select(delay => RetryQueueOf(queue, delay))];

    /// <summary>How long a delivery is held before each further attempt; none where it is not held.</summary>
    internal IReadOnlyList<TimeSpan> Delays { get; private init; } = [];

    internal AmqpSettlement Settlement { get; }
    internal int Attempts { get; private init; }
    internal TimeSpan Delay { get; private init; }
}
