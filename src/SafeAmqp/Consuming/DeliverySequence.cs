using System.Runtime.CompilerServices;
using System.Threading.Channels;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>
/// A consumer as an async sequence: its handler hands each delivery over and waits until the loop is done with it.
/// </summary>
internal static class DeliverySequence
{
    internal static async IAsyncEnumerable<AmqpDelivery> ReadAllAsync(
        Func<AmqpHandler, Action<Exception>, CancellationToken, ValueTask<AmqpSubscription>> consumeAsync,
            ClientObserver observer,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var handed = Channel.CreateBounded<Handed>(1);
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        AmqpSubscription subscription = await consumeAsync(async (delivery, lost) =>
        {
            var item = new Handed(delivery);
            using var gone = CancellationTokenSource.CreateLinkedTokenSource(lost, left.Token);
            await handed.Writer.WriteAsync(item, gone.Token).ConfigureAwait(false);
            return await item.Settlement.Task.WaitAsync(gone.Token).ConfigureAwait(false);
        }, error => handed.Writer.TryComplete(error), cancellationToken).ConfigureAwait(false);
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
                        item.Delivery.Settle(isDone ? AmqpSettlement.Ack : AmqpSettlement.Requeue);
                        item.Settlement.TrySetResult(AmqpSettlement.Ack); // settled already: this only frees the worker
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

    private sealed record Handed(AmqpDelivery Delivery)
    {
        internal TaskCompletionSource<AmqpSettlement> Settlement { get; } =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
