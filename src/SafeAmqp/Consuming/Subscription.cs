using SafeAmqp.Actor;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>A consumer as its user holds it: what to consume, how far it is, and the pump that runs the handler. The
/// actor holds its channel.</summary>
internal class Subscription
{
    private readonly IoThread _owner;
    private readonly Lock _stopGate = new();
    private readonly CancellationTokenSource _stopping = new();
    private int _state;
    private Task? _stop;

    internal Subscription(string queue, AmqpConsumerOptions options, IoThread owner, DeliveryHandler handle)
        : this(queue, options, owner, subscription => new DeliveryPump(subscription, handle)) { }

    internal Subscription(string queue, AmqpConsumerOptions options, IoThread owner,
        Func<Subscription, IDeliveryPump> pump)
    {
        Queue = queue;
        Options = options;
        _owner = owner;
        Settle = SettleDelivery;
        Pump = pump(this);
    }

    internal string Queue { get; }

    internal AmqpConsumerOptions Options { get; }

    internal IDeliveryPump Pump { get; }

    /// <summary>Whether its deliveries have callers that are told when one is larger than this client takes. Others
    /// stop the consumer.</summary>
    internal bool TakesTooLarge { get; init; }

    /// <summary>Settles a delivery for its holder, from any thread; false when the delivery's channel is known to be
    /// gone.</summary>
    internal Func<AmqpDelivery, AmqpSettlement, bool> Settle { get; }

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

    internal int Unsettled { get; set; }

    /// <summary>Ends when a message has stopped it for good: there are no deliveries any more.</summary>
    internal Completion<AmqpPoisonException> Poisoned { get; } = new();

    internal AmqpException? Error { get; private set; }

    internal AmqpConsumerStatus Status => new(Queue, State, Unsettled, LastError);

    /// <summary>Watches settlements, when there is one.</summary>
    internal ClientObserver? Observer { get; init; }

    /// <summary>Called once it has stopped, so that its client forgets it.</summary>
    internal Action<Subscription>? Stopped { get; set; }

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
        => _owner.Post(new ConsumerCommand.Settle(this, delivery, settlement))
            && !delivery.Lost.IsCancellationRequested;

    internal virtual ValueTask StopAsync()
    {
        DeliveryPump.DoNotWaitForCaller(Pump);
        lock (_stopGate)
            _stop ??= StopOnceAsync();
        return new ValueTask(_stop);
    }

    /// <summary>Waits, but only until the consumer stops or the delivery is lost.</summary>
    internal async Task PauseAsync(TimeSpan delay, CancellationToken lost)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, lost);
        await Task.Delay(delay, _owner.Clock.Time, end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Ends the pump of a consumer that was stopped over a message. It stays in the status until its holder
    /// disposes of it.</summary>
    internal async Task EndWhenPoisonedAsync(Action<AmqpException>? poisoned)
    {
        Error = await Poisoned.Task.ConfigureAwait(false);
        poisoned?.Invoke(Error);
        await Pump.StopAsync(Options.StopTimeout, _owner.Clock.Time).ConfigureAwait(false);
    }

    // The order matters: no new deliveries; what has not begun goes back; what runs ends; only then the channel closes,
    // as closing it requeues what is not settled.
    private async Task StopOnceAsync()
    {
        _owner.PostOrAbandon(new ConsumerCommand.Stop(this));
        await Quiet.Task.ConfigureAwait(false);
        await _stopping.CancelAsync().ConfigureAwait(false);
        await Pump.StopAsync(Options.StopTimeout, _owner.Clock.Time).ConfigureAwait(false);
        _owner.PostOrAbandon(new ConsumerCommand.End(this));
        await Ended.Task.ConfigureAwait(false);
        State = AmqpConsumerState.Stopped;
        Stopped?.Invoke(this);
    }
}
