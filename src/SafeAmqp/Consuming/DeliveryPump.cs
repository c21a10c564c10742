using System.Threading.Channels;

namespace SafeAmqp.Consuming;

/// <summary>Runs a delivery to its end: the user's handler, the failure policy, the settlement.</summary>
internal delegate ValueTask DeliveryHandler(Subscription subscription, AmqpDelivery delivery);

/// <summary>Where the actor puts deliveries. A simulation takes them itself, without tasks.</summary>
internal interface IDeliveryPump
{
    /// <summary>Takes a delivery from the I/O thread.</summary>
    void Post(AmqpDelivery delivery);

    /// <summary>Gives back what has not begun and waits for what runs, but not for the handler that asks.</summary>
    Task StopAsync(TimeSpan timeout, TimeProvider time);
}

/// <summary>
/// Runs handlers on workers, never on the I/O thread. What lies in it is bounded by the consumer's prefetch. With a key selector each key has its
/// worker, so deliveries of one key are handled one after the other in order; without, any free worker takes the next.
/// </summary>
internal sealed class DeliveryPump : IDeliveryPump
{
    private static readonly AsyncLocal<DeliveryPump?> Running = new();

    private readonly Subscription _subscription;
    private readonly DeliveryHandler _handle;
    private readonly Channel<AmqpDelivery> _inbox;
    private readonly Channel<AmqpDelivery>[] _lanes;
    private readonly Task[] _workers;
    private volatile bool _stopping;

    internal DeliveryPump(Subscription subscription, DeliveryHandler handle)
    {
        _subscription = subscription;
        _handle = handle;
        AmqpConsumerOptions options = subscription.Options;
        bool keyed = options.KeySelector is not null && options.Concurrency > 1;
        _inbox = NewChannel();
        _lanes = keyed ? [.. Enumerable.Range(0, options.Concurrency).Select(_ => NewChannel())] : [];
        using (ExecutionContext.SuppressFlow()) // handlers see the context of no particular caller
        {
            _workers = keyed
                ? [Task.Run(DistributeAsync), .. _lanes.Select(lane => Task.Run(() => WorkAsync(lane.Reader)))]
                : [.. Enumerable.Range(0, options.Concurrency).Select(_ => Task.Run(() => WorkAsync(_inbox.Reader)))];
        }
    }

    public void Post(AmqpDelivery delivery)
    {
        if (!_inbox.Writer.TryWrite(delivery))
            GiveBack(delivery);
    }

    public async Task StopAsync(TimeSpan timeout, TimeProvider time)
    {
        _stopping = true;
        _inbox.Writer.TryComplete();
        foreach (Channel<AmqpDelivery> waiting in (Channel<AmqpDelivery>[])[_inbox, .. _lanes])
            GiveBackWaiting(waiting); // the workers would come to it only after the handlers that they run
        if (Running.Value == this)
            return; // called from a handler of this pump: waiting for it would be waiting for itself
        try
        {
            await Task.WhenAll(_workers).WaitAsync(timeout, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // The handlers that still run keep their deliveries' lost token; their channel closes now.
        }
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

    private async Task WorkAsync(ChannelReader<AmqpDelivery> deliveries)
    {
        Running.Value = this;
        await foreach (AmqpDelivery delivery in deliveries.ReadAllAsync().ConfigureAwait(false))
        {
            if (_stopping)
                GiveBack(delivery);
            else if (!delivery.Lost.IsCancellationRequested) // the broker delivers a lost one again
                await _handle(_subscription, delivery).ConfigureAwait(false);
        }
    }

    private static void GiveBackWaiting(Channel<AmqpDelivery> waiting)
    {
        while (waiting.Reader.TryRead(out AmqpDelivery? delivery))
            GiveBack(delivery);
    }

    private static void GiveBack(AmqpDelivery delivery) => delivery.Settle(AmqpSettlement.Requeue);

    // Never for a single reader: whoever stops the pump reads beside the workers.
    private static Channel<AmqpDelivery> NewChannel()
        => Channel.CreateUnbounded<AmqpDelivery>(new UnboundedChannelOptions { SingleReader = false, SingleWriter = true });
}
