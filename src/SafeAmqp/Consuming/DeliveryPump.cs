using System.Runtime.CompilerServices;
using System.Threading.Channels;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>Runs a delivery to its end: the user's handler, the failure policy, the settlement.</summary>
/// <returns>Null when it is done with. Otherwise for how long it is held before it goes back, or for a stream's comes
/// to the handler again; <see cref="Timeout.InfiniteTimeSpan"/> until the consumer stops.</returns>
internal delegate ValueTask<TimeSpan?> DeliveryHandler(Subscription subscription, AmqpDelivery delivery);

/// <summary>Where the actor puts deliveries. A simulation takes them itself, without tasks.</summary>
internal interface IDeliveryPump
{
    /// <summary>Takes a delivery from the I/O thread.</summary>
    void Post(AmqpDelivery delivery);

    /// <summary>Gives back what has not started and waits for running handlers, but not for those that wait for the
    /// stop themselves.</summary>
    Task StopAsync(TimeSpan timeout, TimeProvider time);
}

/// <summary>Runs handlers on workers, never on the I/O thread. What lies in it is bounded by the consumer's prefetch.
/// With a key selector each key has its worker, so deliveries of one key are handled one after the other in order;
/// without, any free worker takes the next.</summary>
internal sealed class DeliveryPump : IDeliveryPump
{
    private static readonly AsyncLocal<Worker?> Current = new();

    private readonly Subscription _subscription;
    private readonly DeliveryHandler _handle;
    private readonly Channel<AmqpDelivery> _inbox;
    private readonly Channel<AmqpDelivery>[] _lanes;
    private readonly Worker[] _workers;
    private readonly Task _distributing = Task.CompletedTask;
    private readonly CancellationTokenSource _stopped = new();
    private volatile bool _stopping;

    internal DeliveryPump(Subscription subscription, DeliveryHandler handle)
    {
        _subscription = subscription;
        _handle = handle;
        AmqpConsumerOptions options = subscription.Options;
        bool keyed = options.KeySelector is not null && options.Concurrency > 1;
        _inbox = NewChannel();
        _lanes = keyed ? [.. Enumerable.Range(0, options.Concurrency).Select(_ => NewChannel())] : [];
        using (UserCode.WithoutContext()) // handlers see the context of no particular caller
        {
            if (keyed)
                _distributing = UserCode.RunAsync(DistributeAsync);
            _workers = [.. Enumerable.Range(0, options.Concurrency).Select(i => new Worker(this,
                keyed ? _lanes[i].Reader : _inbox.Reader))];
        }
    }

    public void Post(AmqpDelivery delivery)
    {
        if (!_inbox.Writer.TryWrite(delivery))
            delivery.GiveBack();
    }

    public async Task StopAsync(TimeSpan timeout, TimeProvider time)
    {
        DoNotWaitForCaller(this);
        _stopping = true;
        _inbox.Writer.TryComplete();
        foreach (Channel<AmqpDelivery> waiting in (Channel<AmqpDelivery>[])[_inbox, .. _lanes])
            GiveBackWaiting(waiting); // the workers would come to it only after the handlers that they run
        await _stopped.CancelAsync().ConfigureAwait(false);
        try
        {
            await Task.WhenAll([_distributing, .. _workers.Select(worker => worker.Released)]).WaitAsync(timeout,
                time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The handlers that still run keep their deliveries' lost token; their channel closes now.
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
            await foreach (AmqpDelivery delivery in _inbox.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                Channel<AmqpDelivery> lane = _lanes[LaneOf(delivery)];
                lane.Writer.TryWrite(delivery);
                if (_stopping)
                    GiveBackWaiting(lane); // stopping may have looked there just before
            }
        }
        finally
        {
            foreach (Channel<AmqpDelivery> lane in _lanes)
                lane.Writer.TryComplete();
        }
    }

    private int LaneOf(AmqpDelivery delivery)
    {
        try
        {
            string? key = _subscription.Options.KeySelector!(delivery);
            return key is null ? 0 : (int)((uint)key.GetHashCode(StringComparison.Ordinal) % (uint)_lanes.Length);
        }
        catch (Exception)
        {
            return 0; // a delivery without a readable key is still handled, in the first lane
        }
    }

    private async Task WorkAsync(Worker worker, ChannelReader<AmqpDelivery> deliveries)
    {
        Current.Value = worker;
        await foreach (AmqpDelivery delivery in deliveries.ReadAllAsync().ConfigureAwait(false))
        {
            if (_subscription.Stopping.IsBegun) // no handler starts any more
                await HoldAsync(delivery, Timeout.InfiniteTimeSpan).ConfigureAwait(false);
            else if (!delivery.Lost.IsCancellationRequested // the broker delivers a lost one again
                && await _handle(_subscription, delivery).ConfigureAwait(false) is { } time)
                _ = HoldAsync(delivery, time); // not awaited: the worker goes on with the others of the prefetch
        }
    }

    // Given back at once, it would be delivered here again at once: to a consumer that stops until the broker has
    // answered its cancel, to any other without end. Never throws.
    private async Task HoldAsync(AmqpDelivery delivery, TimeSpan time)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_stopped.Token, delivery.Lost);
        await WaitAsync(time).ConfigureAwait(false);
        if (_subscription.Stopping.IsBegun)
            await WaitAsync(Timeout.InfiniteTimeSpan).ConfigureAwait(false);
        if (delivery.Lost.IsCancellationRequested)
            return;
        if (delivery.StreamOffset is null || !_inbox.Writer.TryWrite(delivery))
            delivery.GiveBack();

        async Task WaitAsync(TimeSpan duration) => await Task.Delay(duration, _subscription.Time, end.Token)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static void GiveBackWaiting(Channel<AmqpDelivery> waiting)
    {
        while (waiting.Reader.TryRead(out AmqpDelivery? delivery))
            delivery.GiveBack();
    }

    // Stopping the pump reads beside the workers, and what was held is written beside the I/O thread.
    private static Channel<AmqpDelivery> NewChannel()
        => Channel.CreateUnbounded<AmqpDelivery>(new UnboundedChannelOptions
        {
            SingleReader = false,
            SingleWriter = false,
        });

    /// <summary>Runs one handler at a time.</summary>
    private sealed class Worker
    {
        private readonly CancellationTokenSource _waits = new();
        private readonly Task _work;

        internal Worker(DeliveryPump pump, ChannelReader<AmqpDelivery> deliveries)
        {
            Pump = pump;
            _work = UserCode.RunAsync(() => pump.WorkAsync(this, deliveries));
        }

        internal DeliveryPump Pump { get; }

        /// <summary>Ends when it has done its work, or its handler waits for the stop.</summary>
        internal Task Released => _work.WaitAsync(_waits.Token).ContinueWith(static _ => { }, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        internal void Waits() => _waits.Cancel();
    }
}

/// <summary>A consumer as an async sequence: its handler hands each delivery over and waits until the loop is done with
/// it.</summary>
internal static class DeliverySequence
{
    /// <param name="consumeAsync">Consumes with a handler, and calls back when the consumer has ended.</param>
    /// <param name="observer">Watches what the loop is handed.</param>
    /// <param name="cancellationToken">Ends the sequence.</param>
    internal static async IAsyncEnumerable<AmqpDelivery> ReadAllAsync(
        Func<DeliveryHandler, Action<Exception>, CancellationToken, ValueTask<AmqpSubscription>> consumeAsync,
        ClientObserver observer, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var handed = Channel.CreateBounded<Handed>(1);
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        AmqpSubscription subscription = await consumeAsync(
            (subscription, delivery) => HandAsync(subscription, delivery, handed.Writer, left.Token),
            error => handed.Writer.TryComplete(error), cancellationToken).ConfigureAwait(false);
        await using (subscription.ConfigureAwait(false))
        {
            try
            {
                var asked = observer.Asked;
                // Throws once the client was disposed, or the consumer stopped over a message
                while (await handed.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    if (!handed.Reader.TryRead(out Handed? item) || item.Delivery.Lost.IsCancellationRequested)
                        continue; // the broker delivers it again
                    observer.Received(item.Delivery, asked);
                    bool isDone = false;
                    try
                    {
                        yield return item.Delivery;
                        isDone = true;
                    }
                    finally
                    {
                        if (isDone)
                            item.Delivery.Settle(AmqpSettlement.Ack);
                        else
                            item.Delivery.GiveBack();
                        item.Left.TrySetResult();
                    }
                    asked = observer.Asked;
                }
            }
            finally
            {
                await left.CancelAsync().ConfigureAwait(false);
            }
        }
    }

    // What the loop does not take any more did not fail, and is for nobody's failure policy.
    private static async ValueTask<TimeSpan?> HandAsync(Subscription subscription, AmqpDelivery delivery,
        ChannelWriter<Handed> loop, CancellationToken left)
    {
        if (subscription.Options.AutoAck)
            delivery.Settle(AmqpSettlement.Ack);
        var item = new Handed(delivery);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(delivery.Lost, left);
        try
        {
            await loop.WriteAsync(item, gone.Token).ConfigureAwait(false);
            await item.Left.Task.WaitAsync(gone.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception end) when (end is OperationCanceledException or ChannelClosedException)
        {
            return Timeout.InfiniteTimeSpan;
        }
    }

    private sealed record Handed(AmqpDelivery Delivery)
    {
        /// <summary>Ends when the loop is done with the delivery, or was left over it.</summary>
        internal TaskCompletionSource Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
