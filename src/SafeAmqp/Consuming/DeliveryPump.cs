using System.Collections.Concurrent;
using SafeAmqp.Owner;

namespace SafeAmqp.Consuming;

/// <summary>Runs a delivery to its end: the user's handler, the failure policy, the settlement.</summary>
/// <returns>Null when it is done with; otherwise how it is held.</returns>
internal delegate ValueTask<Held?> DeliveryHandler(Subscription subscription, AmqpDelivery delivery);

/// <summary>Where the actor puts deliveries. A simulation takes them itself, without tasks.</summary>
internal interface IDeliveryPump
{
    /// <summary>Takes a delivery from the I/O thread.</summary>
    void Post(AmqpDelivery delivery);

    /// <summary>Gives back what has not started and waits for running handlers, but not for those that wait for the
    /// stop themselves, and for what is on its way to another queue.</summary>
    Task StopAsync(TimeSpan timeout, TimeProvider time);

    /// <summary>For how long all its handlers have been running, by the one that began last; null while one is
    /// free.</summary>
    TimeSpan? BusyFor => null;
}

/// <summary>Runs handlers on workers, never on the I/O thread. What lies in it is bounded by the consumer's prefetch.
/// With a key selector each key has its worker, so deliveries of one key are handled one after the other in order, and
/// wait for one of them that is held; without, any free worker takes the next.</summary>
internal sealed class DeliveryPump : IDeliveryPump
{
    /// <summary>A handler that keeps its thread for longer gets one of the pool: others wait behind it
    /// elsewhere.</summary>
    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(0.2);

    private static readonly AsyncLocal<Worker?> Current = new();

    private readonly Subscription _subscription;
    private readonly DeliveryHandler _handle;
    private readonly DeliveryInbox _inbox = new();
    private readonly DeliveryInbox[] _lanes;
    private readonly Worker[] _workers;
    private readonly Task _distributing = Task.CompletedTask;
    private readonly ConcurrentDictionary<Task, bool> _moves = [];
    private readonly CancellationTokenSource _stopped = new();
    private readonly ITimer? _watch;
    private volatile bool _stopping;
    private bool _isStuck;

    internal DeliveryPump(Subscription subscription, DeliveryHandler handle)
    {
        _subscription = subscription;
        _handle = handle;
        AmqpConsumerOptions options = subscription.Options;
        bool keyed = options.KeySelector is not null;
        _lanes = keyed ? [.. Enumerable.Range(0, options.Concurrency).Select(_ => new DeliveryInbox())] : [];
        using (UserCode.WithoutContext()) // handlers see the context of no particular caller
        {
            if (keyed)
                _distributing = UserCode.RunAsync(DistributeAsync);
            _workers = [.. Enumerable.Range(0, options.Concurrency).Select(i => new Worker(this,
                keyed ? _lanes[i] : _inbox))];
            if (options.HandlerWarning != Timeout.InfiniteTimeSpan)
                _watch = subscription.Time.CreateTimer(static pump => ((DeliveryPump)pump!).Look(), this,
                    options.HandlerWarning / 2, options.HandlerWarning / 2);
        }
    }

    public TimeSpan? BusyFor
    {
        get
        {
            long last = 0;
            foreach (Worker worker in _workers)
            {
                if (worker.Began == 0)
                    return null;
                last = Math.Max(last, worker.Began);
            }
            return _subscription.Time.GetElapsedTime(last);
        }
    }

    // Told once each time.
    private void Look()
    {
        TimeSpan? busy = BusyFor >= _subscription.Options.HandlerWarning ? BusyFor : null;
        if (busy is { } time && !_isStuck)
            _subscription.ReportStuck?.Invoke(time);
        _isStuck = busy is not null;
    }

    public void Post(AmqpDelivery delivery)
    {
        if (!_inbox.TryPut(delivery))
            delivery.GiveBack();
    }

    public async Task StopAsync(TimeSpan timeout, TimeProvider time)
    {
        DoNotWaitForCaller(this);
        _stopping = true;
        _inbox.Close();
        foreach (DeliveryInbox inbox in (DeliveryInbox[])[_inbox, .. _lanes])
            inbox.GiveBack(); // the workers would come to it only after the handlers that they run
        foreach (Worker worker in _workers)
            worker.Keys.GiveBack();
        await _stopped.CancelAsync().ConfigureAwait(false);
        if (_watch is not null)
            await _watch.DisposeAsync().ConfigureAwait(false);
        try
        {
            await EndedAsync().WaitAsync(timeout, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The handlers that still run keep their deliveries' lost token; their channel closes now.
        }

        async Task EndedAsync()
        {
            await Task.WhenAll([_distributing, .. _workers.Select(worker => worker.Released)]).ConfigureAwait(false);
            await Task.WhenAll(_moves.Keys).ConfigureAwait(false); // those of the last handlers, too
        }
    }

    /// <summary>Called before waiting for a pump to stop: a handler of that pump would wait for itself. The other
    /// handlers are waited for.</summary>
    internal static void DoNotWaitForCaller(IDeliveryPump pump)
    {
        if (Current.Value is { } worker && worker.Pump == pump)
            worker.Waits();
    }

    private async Task DistributeAsync()
    {
        try
        {
            while (await _inbox.NextAsync(takesLong: false).ConfigureAwait(false) is { } delivery)
            {
                DeliveryInbox lane = _lanes[delivery.Lane ??= LaneOf(delivery)];
                lane.TryPut(delivery);
                if (_stopping)
                    lane.GiveBack(); // stopping may have looked there just before
            }
        }
        finally
        {
            foreach (DeliveryInbox lane in _lanes)
                lane.Close();
        }
    }

    private int LaneOf(AmqpDelivery delivery)
    {
        try
        {
            string? key = delivery.Key = _subscription.Options.KeySelector!(delivery);
            return key is null ? 0 : (int)((uint)key.GetHashCode(StringComparison.Ordinal) % (uint)_lanes.Length);
        }
        catch (Exception)
        {
            return 0; // a delivery without a readable key is still handled, in the first lane
        }
    }

    private async Task WorkAsync(Worker worker, DeliveryInbox inbox)
    {
        Current.Value = worker;
        while (await inbox.NextAsync(worker.TakesLong).ConfigureAwait(false) is { } delivery)
        {
            if (!_subscription.Stopping.IsBegun && worker.Keys.Waits(delivery))
                continue;
            AmqpDelivery? next = delivery;
            while (next is not null && !await TakeAsync(worker, next).ConfigureAwait(false))
                next = worker.Keys.Next(next); // what has waited for its key
        }
    }

    /// <returns>Whether it is held, and its key with it.</returns>
    private async ValueTask<bool> TakeAsync(Worker worker, AmqpDelivery delivery)
    {
        if (delivery.IsDone || delivery.Lost.IsCancellationRequested) // the broker delivers a lost one again
            return false;
        if (_subscription.Stopping.IsBegun) // no handler starts any more
        {
            await HoldAsync(delivery, Held.UntilStopped).ConfigureAwait(false);
            return false;
        }
        if (await RunAsync(worker, delivery).ConfigureAwait(false) is not { } held)
            return false;
        bool holdsKey = delivery.Lane is not null && (held.Again || held.Move is not null);
        if (holdsKey)
            worker.Keys.Hold(delivery);
        Task holding = HoldAsync(delivery, held); // not awaited: the worker goes on with the others of the prefetch
        if (held.Move is not null && _moves.TryAdd(holding, true))
            _ = holding.ContinueWith(static (ended, moves) => ((ConcurrentDictionary<Task, bool>)moves!).TryRemove(
                ended, out _), _moves, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default);
        return holdsKey;
    }

    private async ValueTask<Held?> RunAsync(Worker worker, AmqpDelivery delivery)
    {
        worker.Began = Math.Max(1, _subscription.Time.GetTimestamp());
        ValueTask<Held?> handling = _handle(_subscription, delivery);
        worker.TakesLong = _subscription.Time.GetElapsedTime(worker.Began) > Long;
        Held? held = await handling.ConfigureAwait(false);
        worker.Began = 0;
        return held;
    }

    // Given back at once, it would be delivered here again at once: to a consumer that stops until the broker has
    // answered its cancel, to any other without end. Never throws.
    private async Task HoldAsync(AmqpDelivery delivery, Held held)
    {
        if (held.Move is { } move)
        {
            Held? kept = await move.ConfigureAwait(false);
            if (delivery.Lane is not null && kept is not { Again: true })
            {
                delivery.IsDone = true;
                _inbox.TryPut(delivery); // its worker goes on with its key
            }
            if (kept is null)
                return;
            held = kept.Value;
        }
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token, delivery.Lost);
        await WaitAsync(held.Time).ConfigureAwait(false);
        if (held.Again)
            _subscription.HoldEnded();
        bool isLost = delivery.Lost.IsCancellationRequested;
        if (_subscription.Stopping.IsBegun && !isLost)
            await WaitAsync(Timeout.InfiniteTimeSpan).ConfigureAwait(false);
        // One that was lost goes through its worker, too, if others wait for its key
        if ((isLost ? held.Again && delivery.Lane is not null : held.Again || delivery.StreamOffset is not null)
            && _inbox.TryPut(delivery))
            return;
        if (!delivery.Lost.IsCancellationRequested)
            delivery.GiveBack();

        async Task WaitAsync(TimeSpan duration) => await Task.Delay(duration, _subscription.Time, end.Token)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Runs one handler at a time.</summary>
    private sealed class Worker
    {
        private readonly CancellationTokenSource _waits = new();
        private readonly Task _work;
        private long _began;

        internal Worker(DeliveryPump pump, DeliveryInbox inbox)
        {
            Pump = pump;
            _work = UserCode.RunAsync(() => pump.WorkAsync(this, inbox));
        }

        internal DeliveryPump Pump { get; }

        /// <summary>When its handler began; 0 while none runs.</summary>
        internal long Began
        {
            get => Volatile.Read(ref _began);
            set => Volatile.Write(ref _began, value);
        }

        /// <summary>Whether its last handler kept its thread for long. Before the first none is known to be
        /// quick.</summary>
        internal bool TakesLong { get; set; } = true;

        /// <summary>Those of its keys that wait.</summary>
        internal HeldKeys Keys { get; } = new();

        /// <summary>Ends when it has done its work, or its handler waits for the stop.</summary>
        internal Task Released => _work.WaitAsync(_waits.Token).ContinueWith(static _ => { }, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        internal void Waits() => _waits.Cancel();
    }
}
