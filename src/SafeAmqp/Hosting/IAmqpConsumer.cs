namespace SafeAmqp;

/// <summary>Handles the deliveries of a queue; see <see cref="SafeAmqpBuilder.AddConsumer{THandler}"/>.</summary>
public interface IAmqpConsumer
{
    /// <summary>Handles a delivery. An exception counts as failed: see
    /// <see cref="AmqpConsumerOptions.OnFailure"/>.</summary>
    /// <param name="delivery">The message. Its body may be kept.</param>
    /// <param name="deliveryLost">Fires when the delivery can no longer be settled: the broker delivers it again,
    /// perhaps elsewhere.</param>
    /// <returns>What becomes of the message.</returns>
    ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost);
}

/// <summary>Answers the requests of a queue; see <see cref="SafeAmqpBuilder.AddServer{THandler}"/>.</summary>
public interface IAmqpServer
{
    /// <summary>Answers a request. An exception travels back as <see cref="AmqpRemoteException"/>, without its stack
    /// trace.</summary>
    /// <param name="request">The request.</param>
    /// <param name="abandoned">Fires when nobody waits any more: the request's deadline passed, or its delivery was
    /// lost.</param>
    /// <returns>The reply. Its address and correlation id are set by the client.</returns>
    ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned);
}
