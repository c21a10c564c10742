using SafeAmqp.Actor;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>A consumer as its user holds it: what to consume, how far it is, and the pump that runs the handler. The
/// actor holds its channel.</summary>
internal sealed class Subscription
{
    private readonly IoThread _owner;
    private readonly Lock _stopGate = new();
    private int _state;
    private long _rejected;
    private int _held;
    private volatile string? _lastRejection;
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _stop;

    /// <param name="queue">The queue.</param>
    /// <param name="options">How to consume it.</param>
    /// <param name="owner">The thread of the link that consumes.</param>
    /// <param name="handle">Runs the user's handler.</param>
    /// <param name="hostStops">Cancelled when the host begins to stop, some time before it stops this.</param>
    internal Subscription(string queue, AmqpConsumerOptions options, IoThread owner, DeliveryHandler handle,
        CancellationToken hostStops = default)
        : this(queue, options, owner, subscription => new DeliveryPump(subscription, handle), hostStops) { }

    internal Subscription(string queue, AmqpConsumerOptions options, IoThread owner,
        Func<Subscription, IDeliveryPump> pump, CancellationToken hostStops = default)
    {
        Queue = queue;
        Options = options;
        _owner = owner;
        Stopping = new StopSignal(owner.Events, hostStops);
        Settle = SettleDelivery;
        Pump = pump(this);
    }

    internal string Queue { get; }

    internal AmqpConsumerOptions Options { get; }

    internal IDeliveryPump Pump { get; }

    /// <summary>Whether its deliveries have callers that are told when one cannot be read or is larger than this client
    /// takes. Others are rejected, or stop the consumer.</summary>
    internal bool TakesUnreadable { get; init; }

    /// <summary>Whether what cannot be read is for the pump to bring to its end.</summary>
    internal bool EndsUnreadable { get; init; }

    /// <summary>Settles a delivery for its holder, from any thread; false when the delivery's channel is known to be
    /// gone.</summary>
    internal Func<AmqpDelivery, AmqpSettlement, bool> Settle { get; }

    /// <summary>Says that it stops.</summary>
    internal StopSignal Stopping { get; }

    internal TimeProvider Time => _owner.Clock.Time;

    /// <summary>The thread of the link that consumes.</summary>
    internal IoThread Owner => _owner;

    /// <summary>Makes its channel, when it is not to be a plain consumer's.</summary>
    internal Func<ConnectionActor, ConsumerSet, Subscription, ConsumerChannel>? Serves { get; init; }

    /// <summary>Its channel in the actor, which alone uses it.</summary>
    internal ConsumerChannel? Channel { get; set; }

    /// <summary>Ends when the broker has confirmed the consumer for the first time, or refused it.</summary>
    internal Completion<bool> Started { get; } = new();

    /// <summary>Ends when no delivery can come any more.</summary>
    internal Completion<bool> Quiet { get; } = new();

    /// <summary>Ends when its channel is closed.</summary>
    internal Completion<bool> Ended { get; } = new();

    internal AmqpConsumerState State
    {
        get => (AmqpConsumerState)Volatile.Read(ref _state);
        set => Volatile.Write(ref _state, (int)value);
    }

    internal string? LastError { get; set; }

    /// <summary>Its tag at the broker; one that was not chosen changes with the channel.</summary>
    internal string? Tag { get; set; }

    internal int Unsettled { get; set; }

    /// <summary>Ends when a message has stopped it for good: there are no deliveries any more.</summary>
    internal Completion<AmqpPoisonException> Poisoned { get; } = new();

    internal AmqpException? Error { get; private set; }

    /// <summary>Ends when it has stopped, with the error that stopped it for good.</summary>
    internal Task Finished => _finished.Task;

    internal AmqpConsumerStatus Status => new(Queue, State, Unsettled, LastError)
    {
        ConsumerTag = Tag,
        Rejected = Interlocked.Read(ref _rejected),
        LastRejection = _lastRejection,
        Held = Volatile.Read(ref _held),
        DeadLetterError = DeadLetterError,
        StuckFor = Pump.BusyFor is { } busy && Options.HandlerWarning != Timeout.InfiniteTimeSpan
            && busy >= Options.HandlerWarning ? busy : null,
    };

    /// <summary>Told once each time when all handlers have been running for that long.</summary>
    internal Action<TimeSpan>? ReportStuck { get; init; }

    /// <summary>Told of each delivery, as a queue may drop what comes back too often.</summary>
    internal Action<AmqpDelivery>? WarnOfReturns { get; init; }

    /// <summary>Why the last message that was to go to the dead queue could not, until one can.</summary>
    internal string? DeadLetterError { get; set; }

    internal TimeSpan Age(AmqpDelivery delivery) => TimeSpan.FromTicks(_owner.Clock.Now - delivery.ReceivedAt);

    /// <summary>Takes one of the places for held deliveries, which are half of the prefetch.</summary>
    internal bool TryHold()
    {
        if (Interlocked.Increment(ref _held) <= Options.Prefetch / 2)
            return true;
        Interlocked.Decrement(ref _held);
        return false;
    }

    /// <summary>Takes such a place, also beyond their number.</summary>
    internal void Holds() => Interlocked.Increment(ref _held);

    internal void HoldEnded() => Interlocked.Decrement(ref _held);

    /// <summary>Watches settlements, when there is one.</summary>
    internal ClientObserver? Observer { get; init; }

    /// <summary>Reports what is rejected, when somebody is to be told; returns it in words.</summary>
    internal Func<AmqpDelivery, string>? ReportRejection { get; init; }

    /// <summary>Called once it has stopped, so that its client forgets it.</summary>
    internal Action<Subscription>? Stopped { get; set; }

    internal ConsumerChannel NewChannel(ConnectionActor actor, ConsumerSet consumers)
        => Serves?.Invoke(actor, consumers, this) ?? new ConsumerChannel(actor, consumers, this);

    private bool SettleDelivery(AmqpDelivery delivery, AmqpSettlement settlement)
    {
        if (Observer is not { SeesSettlements: true } observer)
            return Post(delivery, settlement);
        ClientObserver.Settling settling = observer.BeginSettle(delivery, settlement);
        bool settled = Post(delivery, settlement);
        settling.End(settled);
        return settled;
    }

    // Posted also when the delivery is known to be lost: the actor counts it.
    private bool Post(AmqpDelivery delivery, AmqpSettlement settlement)
    {
        if (settlement == AmqpSettlement.Reject)
            Rejected(delivery);
        if (_owner.Post(new ConsumerCommand.Settle(this, delivery, settlement)))
            return !delivery.Lost.IsCancellationRequested;
        delivery.Reply?.Abandon(_owner.Actor);
        return false;
    }

    /// <summary>Tells of a delivery that leaves its queue unhandled. One that is lost stays there.</summary>
    internal void Rejected(AmqpDelivery delivery)
    {
        if (ReportRejection is null || delivery.Lost.IsCancellationRequested)
            return;
        _lastRejection = ReportRejection(delivery);
        Interlocked.Increment(ref _rejected); // last: a reader that sees it finds the rest
    }

    internal ValueTask StopAsync()
    {
        DeliveryPump.DoNotWaitForCaller(Pump);
        Stopping.Begin();
        lock (_stopGate)
            _stop ??= StopOnceAsync();
        return new ValueTask(_stop);
    }

    /// <summary>Ends the pump of a consumer that was stopped over a message. It stays in the status until its holder
    /// disposes of it.</summary>
    internal void EndWhenPoisoned(Action<AmqpException>? poisoned)
    {
        using (UserCode.WithoutContext()) // most never are, and would keep the context of their caller all the time
            EndWhenPoisonedAsync(poisoned).Forget();
    }

    private async Task EndWhenPoisonedAsync(Action<AmqpException>? poisoned)
    {
        Error = await Poisoned.Task.ConfigureAwait(false);
        poisoned?.Invoke(Error);
        await Pump.StopAsync(Options.StopTimeout, Time).ConfigureAwait(false);
        _finished.TrySetException(Error);
        _finished.Task.Forget();
    }

    // The order matters: no new deliveries; what has not begun goes back; what runs ends; only then the channel closes,
    // as closing it requeues what is not settled.
    private async Task StopOnceAsync()
    {
        _owner.PostOrAbandon(new ConsumerCommand.Stop(this));
        await Quiet.Task.ConfigureAwait(false);
        await Pump.StopAsync(Options.StopTimeout, Time).ConfigureAwait(false);
        _owner.PostOrAbandon(new ConsumerCommand.End(this));
        await Ended.Task.ConfigureAwait(false);
        State = AmqpConsumerState.Stopped;
        Stopped?.Invoke(this);
        _finished.TrySetResult();
    }
}

/// <summary>Says that a consumer stops, or that its host does. From then on no handler begins, and one that ends by a
/// cancellation has not failed: it is not done.</summary>
internal sealed class StopSignal
{
    private readonly CancellationTokenSource _source = new();
    private readonly LinkEvents? _events;
    private readonly CancellationToken _host;
    private readonly CancellationTokenRegistration _registration;
    private volatile bool _isBegun;

    /// <summary>For what belongs to no consumer: never begins.</summary>
    internal static readonly StopSignal None = new(null, default);

    internal StopSignal(LinkEvents? events, CancellationToken host)
    {
        Token = _source.Token;
        _events = events;
        _host = host;
        _registration = host.UnsafeRegister(static signal => ((StopSignal)signal!).Fire(), this);
    }

    /// <summary>For handlers.</summary>
    internal CancellationToken Token { get; }

    /// <summary>True before any callback of the host's token runs, which may cancel a handler before our own
    /// does.</summary>
    internal bool IsBegun => _isBegun || _host.IsCancellationRequested;

    internal void Begin()
    {
        _isBegun = true;
        _registration.Unregister(); // the host outlives many consumers
        Fire();
    }

    /// <summary>Whether an exception says no more than that this has begun.</summary>
    internal bool Explains(Exception error)
    {
        Exception? cause = IsBegun ? error : null;
        while (cause is not null and not OperationCanceledException)
            cause = cause.InnerException;
        return cause is not null;
    }

    // Registered callbacks are user code: they run on the pool, and what they throw is theirs to see.
    private void Fire()
    {
        if (_source.IsCancellationRequested)
            return;
        Task fired = _source.CancelAsync();
        _events?.Observe(fired, "a callback on a stopping consumer's token threw");
    }
}
