using SafeAmqp.Actor;
using SafeAmqp.Rpc;

namespace SafeAmqp;

/// <summary>The state of a link.</summary>
public enum AmqpLinkState
{
    /// <summary>Not started.</summary>
    Idle,

    /// <summary>An attempt to connect is under way.</summary>
    Connecting,

    /// <summary>Connected; topology and consumers are being put back.</summary>
    Preparing,

    /// <summary>In use: topology declared, every consumer confirmed by the broker.</summary>
    Open,

    /// <summary>Lost or never reached; the next attempt waits.</summary>
    Waiting,

    /// <summary>Being closed: what is under way ends, nothing new begins.</summary>
    Closing,

    /// <summary>Closed for good.</summary>
    Closed,
}

/// <summary>A link has changed its state.</summary>
/// <param name="link"><c>send</c>, <c>receive</c> or <c>shared</c>.</param>
/// <param name="from">What it was.</param>
/// <param name="to">What it is, unless it has changed again since.</param>
/// <param name="reason">Why it was lost or not reached, when it waits for its next attempt.</param>
public sealed class AmqpStateChangedEventArgs(string link, AmqpLinkState from, AmqpLinkState to, string? reason = null)
    : EventArgs
{
    /// <summary>The link: <c>send</c>, <c>receive</c> or <c>shared</c>.</summary>
    public string Link { get; } = link;

    /// <summary>What it was.</summary>
    public AmqpLinkState From { get; } = from;

    /// <summary>What it is, unless it has changed again since.</summary>
    public AmqpLinkState To { get; } = to;

    /// <summary>Why it was lost or not reached.</summary>
    /// <value><see langword="null"/> unless it waits for its next attempt.</value>
    public string? Reason { get; } = reason;

    /// <summary>Says in words what has changed.</summary>
    /// <returns>One line.</returns>
    public override string ToString()
        => $"{Link} link: {From} to {To}" + (Reason is null ? "" : $" ({Reason})");
}

/// <summary>A snapshot of a client. Taken from memory; opens nothing.</summary>
/// <param name="Links">Its links: one with <see cref="AmqpConnectionLayout.Shared"/>, otherwise the send link, then the
/// receive link.</param>
public sealed record AmqpClientStatus(IReadOnlyList<AmqpLinkStatus> Links)
{
    /// <summary>Whether every link is open, none is blocked by the broker, and every consumer receives that is not
    /// being stopped by its user.</summary>
    public bool IsReady => Links.All(link => link.State == AmqpLinkState.Open && link.BlockedReason is null
        && link.Consumers.All(consumer => consumer.State is AmqpConsumerState.Live or AmqpConsumerState.Stopping));

    /// <summary>For how long a work item has been waiting for a thread of the process's thread pool, while it has for 2
    /// s or more. Handshakes, heartbeats and TLS need the pool: a process that blocks its threads can lose its
    /// connections.</summary>
    public TimeSpan? ThreadPoolStarvedFor { get; init; }

    /// <summary>Says in words what the client does and why it waits.</summary>
    /// <returns>One line.</returns>
    public override string ToString()
        => string.Join("; ", Links) + (ThreadPoolStarvedFor is { } time
            ? $"; thread pool starved for {Telemetry.StatusText.Seconds(time)}" : "");
}

/// <summary>A snapshot of one link.</summary>
public sealed record AmqpLinkStatus
{
    /// <summary><c>send</c>, <c>receive</c> or <c>shared</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Its state.</summary>
    public AmqpLinkState State { get; init; }

    /// <summary>How long it has been in that state.</summary>
    public TimeSpan InState { get; init; }

    /// <summary>How long there has been no link to use, over all attempts to make one; <see langword="null"/> while it
    /// is open and before it begins.</summary>
    public TimeSpan? NotOpenFor { get; init; }

    /// <summary>The number of its connection: 0 before the first, then one higher with each attempt.</summary>
    public int Epoch { get; init; }

    /// <summary>The host it is or was last connected to, without credentials.</summary>
    public string? Host { get; init; }

    /// <summary>Why the last connection, or the last attempt, ended.</summary>
    public string? LastError { get; init; }

    /// <summary>The same, as exceptions carry it.</summary>
    internal CloseReason? LastEnd { get; init; }

    /// <summary>Attempts to connect since it was last open.</summary>
    public int RecoveryAttempt { get; init; }

    /// <summary>The time until the next attempt, while it waits for one.</summary>
    public TimeSpan? NextAttemptIn { get; init; }

    /// <summary>Why the broker blocks publishing (<c>connection.blocked</c>), while it does.</summary>
    public string? BlockedReason { get; init; }

    /// <summary>For how long the broker has been blocking publishing, while it does.</summary>
    public TimeSpan? BlockedFor { get; init; }

    /// <summary>Publishes that wait here and were not sent.</summary>
    public int QueuedMessages { get; init; }

    /// <summary>Callers that wait until fewer messages or calls are pending; they come after
    /// <see cref="QueuedMessages"/>.</summary>
    public int WaitingCallers { get; init; }

    /// <summary>The age of the oldest publish that waits here.</summary>
    public TimeSpan? OldestQueued { get; init; }

    /// <summary>Publishes that were sent and not yet answered by the broker.</summary>
    public int UnconfirmedMessages { get; init; }

    /// <summary>Calls that wait for their reply.</summary>
    public int PendingCalls { get; init; }

    /// <summary>Replies that came after their call had ended, or for no call at all.</summary>
    public long LateReplies { get; init; }

    /// <summary>Settlements that came after the delivery's channel was gone.</summary>
    public long StaleSettlements { get; init; }

    /// <summary>The time since the last bytes came from the broker.</summary>
    public TimeSpan? LastReceived { get; init; }

    /// <summary>The time since the last bytes went to the broker.</summary>
    public TimeSpan? LastSent { get; init; }

    /// <summary>Its consumers.</summary>
    public IReadOnlyList<AmqpConsumerStatus> Consumers { get; init; } = [];

    /// <summary>Entities that could not be declared again after the last recovery, with the reason. What the broker did
    /// not answer, or refused for now, is declared again on the same link, ever more rarely, and leaves the list when
    /// that succeeds; refused rights (403) and arguments (406) need to be corrected.</summary>
    public IReadOnlyList<string> TopologyErrors { get; init; } = [];

    /// <summary>Says in words what the link does and why it waits.</summary>
    /// <returns>One line.</returns>
    public override string ToString() => Telemetry.StatusText.Describe(this);
}

/// <summary>A snapshot of one consumer.</summary>
/// <param name="Queue">The queue it consumes.</param>
/// <param name="State">Its state.</param>
/// <param name="Unsettled">Deliveries that are not settled yet.</param>
/// <param name="LastError">Why it last stopped receiving.</param>
public sealed record AmqpConsumerStatus(string Queue, AmqpConsumerState State, int Unsettled, string? LastError)
{
    /// <summary>Its tag, by which the broker's management names it: <see cref="AmqpConsumerOptions.ConsumerTag"/>, or
    /// one that the client chose anew for its present channel.</summary>
    /// <value><see langword="null"/> before it was first asked for.</value>
    public string? ConsumerTag { get; init; }

    /// <summary>Messages that left the queue without having been handled: unreadable, rejected, or failed for the last
    /// time.</summary>
    public long Rejected { get; init; }

    /// <summary>What became of the last of them, and why.</summary>
    public string? LastRejection { get; init; }

    /// <summary>Failed deliveries that are held until they are handled again
    /// (<see cref="AmqpFailurePolicy.Hold"/>).</summary>
    public int Held { get; init; }

    /// <summary>For how long all its handlers have been running, by the one that began last, once that is longer than
    /// <see cref="AmqpConsumerOptions.HandlerWarning"/>: it handles nothing new.</summary>
    public TimeSpan? StuckFor { get; init; }

    /// <summary>Why the dead queue did not take the last message that was to go there, until it takes one.</summary>
    public string? DeadLetterError { get; init; }
}

/// <summary>The state of a consumer.</summary>
public enum AmqpConsumerState
{
    /// <summary>Waiting for its link, its channel or the broker's <c>consume-ok</c>.</summary>
    Starting,

    /// <summary>Receiving: the broker confirmed it.</summary>
    Live,

    /// <summary>It lost its channel or was cancelled by the broker, and tries again.</summary>
    Recovering,

    /// <summary>Stopping: no new deliveries, running handlers end.</summary>
    Stopping,

    /// <summary>Stopped for good. A consumer that its user stopped is not in the status any more; one that is there was
    /// stopped over a message (<see cref="AmqpPoisonException"/>).</summary>
    Stopped,
}
