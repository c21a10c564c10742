using System.Runtime.CompilerServices;
using System.Threading.Channels;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>A consumer as an async sequence: its handler hands each delivery over and waits until the loop is done with
/// it.</summary>
internal static class DeliverySequence
{
    /// <param name="consumeAsync">Consumes with a handler, and calls back when the consumer has ended.</param>
    /// <param name="observer">Watches what the loop is handed.</param>
    /// <param name="cancellationToken">Ends the sequence.</param>
    internal static async IAsyncEnumerable<AmqpDelivery> ReadAllAsync(
        Func<DeliveryHandler, Action<Exception>, CancellationToken, Task<AmqpSubscription>> consumeAsync,
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
                    if (item.AutoAck)
                        item.Delivery.Settle(AmqpSettlement.Ack); // when it is handed over, and not before
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

    // What the loop does not take any more did not fail, and is for no failure policy.
    private static async ValueTask<Held?> HandAsync(Subscription subscription, AmqpDelivery delivery,
        ChannelWriter<Handed> loop, CancellationToken left)
    {
        var item = new Handed(delivery, subscription.Options.AutoAck);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(delivery.Lost, left);
        try
        {
            await loop.WriteAsync(item, gone.Token).ConfigureAwait(false);
            await item.Left.Task.WaitAsync(gone.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception end) when (end is OperationCanceledException or ChannelClosedException)
        {
            return Held.UntilStopped;
        }
    }

    private sealed record Handed(AmqpDelivery Delivery, bool AutoAck)
    {
        /// <summary>Ends when the loop is done with the delivery, or was left over it.</summary>
        internal TaskCompletionSource Left { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
