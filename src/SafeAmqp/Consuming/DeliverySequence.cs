using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace SafeAmqp.Consuming;

/// <summary>A consumer as a sequence: a handler that hands each delivery over and waits for what the loop makes of it.</summary>
internal static class DeliverySequence
{
    internal static async IAsyncEnumerable<AmqpDelivery> ReadAllAsync(AmqpClient client, string queue, AmqpConsumerOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var handed = Channel.CreateBounded<Handed>(1);
        using var left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        AmqpSubscription subscription = await client.ConsumeAsync(queue, async (delivery, lost) =>
        {
            var item = new Handed(delivery);
            using var gone = CancellationTokenSource.CreateLinkedTokenSource(lost, left.Token);
            await handed.Writer.WriteAsync(item, gone.Token).ConfigureAwait(false);
            return await item.Settlement.Task.WaitAsync(gone.Token).ConfigureAwait(false);
        }, options, ended: error => handed.Writer.TryComplete(error), DeliveryUse.Passage, cancellationToken).ConfigureAwait(false);
        await using (subscription.ConfigureAwait(false))
        {
            try
            {
                var asked = client.Observer.Asked;
                while (await handed.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false)) // throws once the client was disposed, or the consumer stopped over a message
                {
                    if (!handed.Reader.TryRead(out Handed? item) || item.Delivery.Lost.IsCancellationRequested)
                        continue; // the broker delivers it again
                    client.Observer.Received(item.Delivery, asked);
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
                    asked = client.Observer.Asked;
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
        internal TaskCompletionSource<AmqpSettlement> Settlement { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
