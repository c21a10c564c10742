namespace SafeAmqp;

/// <summary>Handles the deliveries of a queue; see <see cref="SafeAmqpBuilder.AddConsumer{THandler}"/>.</summary>
public interface IAmqpConsumer
{
    /// <summary>
    /// Handles a delivery. An exception counts as failed: see <see cref="AmqpConsumerOptions.OnFailure"/>.
    /// </summary>
    /// <param name="delivery">The message. Its body may be kept.</param>
    /// <param name="deliveryLost">Fires when the delivery can no longer be settled: the broker delivers it again,
    /// perhaps elsewhere.</param>
    /// <returns>What becomes of the message.</returns>
    ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost);
}
