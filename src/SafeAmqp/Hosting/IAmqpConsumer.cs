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

/// <summary>Handles the messages of a queue as values; see
/// <see cref="SafeAmqpBuilder.AddConsumer{TMessage, THandler}(string, AmqpConsumerOptions?)"/>.</summary>
/// <typeparam name="TMessage">What the bodies hold.</typeparam>
public interface IAmqpConsumer<in TMessage>
{
    /// <summary>Handles a message. An exception counts as failed: see
    /// <see cref="AmqpConsumerOptions.OnFailure"/>.</summary>
    /// <param name="message">The body, never <see langword="null"/>.</param>
    /// <param name="delivery">The delivery it came with.</param>
    /// <param name="deliveryLost">Fires when the delivery can no longer be settled: the broker delivers it again,
    /// perhaps elsewhere.</param>
    /// <returns>What becomes of the message.</returns>
    ValueTask<AmqpSettlement> HandleAsync(TMessage message, AmqpDelivery delivery, CancellationToken deliveryLost);
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

/// <summary>Answers the requests of a queue, both as values; see
/// <see cref="SafeAmqpBuilder.AddServer{TRequest, TReply, THandler}(string, AmqpServeOptions?)"/>.</summary>
/// <typeparam name="TRequest">What the requests hold.</typeparam>
/// <typeparam name="TReply">What the replies hold.</typeparam>
public interface IAmqpServer<in TRequest, TReply>
{
    /// <summary>Answers a request. An exception travels back as <see cref="AmqpRemoteException"/>, without its stack
    /// trace.</summary>
    /// <param name="request">The request, never <see langword="null"/>.</param>
    /// <param name="delivery">The delivery it came with.</param>
    /// <param name="abandoned">Fires when nobody waits any more: the request's deadline passed, or its delivery was
    /// lost.</param>
    /// <returns>The reply; may be <see langword="null"/>.</returns>
    ValueTask<TReply> HandleAsync(TRequest request, AmqpDelivery delivery, CancellationToken abandoned);
}
