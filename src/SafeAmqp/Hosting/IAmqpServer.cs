namespace SafeAmqp;

/// <summary>Answers the requests of a queue; see <see cref="SafeAmqpBuilder.AddServer{THandler}"/>.</summary>
public interface IAmqpServer
{
    /// <summary>
    /// Answers a request. An exception travels back as <see cref="AmqpRemoteException"/>, without its stack trace.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="abandoned">Fires when nobody waits any more: the request's deadline passed, or its delivery was
    /// lost.</param>
    /// <returns>The reply. Its address and correlation id are set by the client.</returns>
    ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned);
}
