namespace SafeAmqp;

/// <summary>Short forms of the verbs of <see cref="IAmqpClient"/>.</summary>
public static class AmqpClientExtensions
{
    /// <summary>Publishes a body and waits until the broker has taken responsibility for it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="body">The body.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that ends when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishAsync(this IAmqpClient client, string exchange, string routingKey,
        ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        Check.NotNull(client, nameof(client));
        return client.PublishAsync(AmqpMessage.ToExchange(exchange, routingKey, body), cancellationToken);
    }

    /// <inheritdoc cref="PublishAsync(IAmqpClient, string, string, ReadOnlyMemory{byte}, CancellationToken)"/>
    public static ValueTask PublishAsync(this IAmqpClient client, string exchange, string routingKey, byte[] body,
        CancellationToken cancellationToken = default)
    {
        Check.NotNull(body, nameof(body)); // which would convert into an empty one
        return client.PublishAsync(exchange, routingKey, new ReadOnlyMemory<byte>(body), cancellationToken);
    }

    /// <summary>Subscribes to an exchange: makes a queue of this client's own, binds it, and consumes it. The queue is
    /// exclusive and goes with the subscription; a recovery makes and binds it again, but what is published while the
    /// link is down does not reach it.</summary>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange, which exists.</param>
    /// <param name="routingKeys">The binding keys; one empty key when there is none, as a fanout exchange ignores
    /// it.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer; its <see cref="AmqpSubscription.Queue"/>
    /// names the queue.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">There is no such exchange, the broker refused or did not answer in
    /// time.</exception>
    public static async Task<AmqpSubscription> SubscribeAsync(this IAmqpClient client, string exchange,
        IReadOnlyList<string> routingKeys, AmqpHandler handler, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Check.NotNull(client, nameof(client));
        Check.Name(exchange, nameof(exchange));
        Check.NotNull(routingKeys, nameof(routingKeys));
        Check.NotNull(handler, nameof(handler));
        // Named here, not by the broker: a recovery must find its bindings again
        string queue = $"safeamqp.{Guid.NewGuid():N}";
        var own = new AmqpTopology().With(new AmqpQueue
        {
            Name = queue,
            Durable = false,
            Exclusive = true,
            AutoDelete = true
        });
        AmqpTopology bound = own;
        foreach (string key in routingKeys.DefaultIfEmpty(""))
            bound = bound.Bind(exchange, queue, key);
        try
        {
            await client.DeclareAsync(bound, cancellationToken).ConfigureAwait(false);
            return await client.ConsumeAsync(queue, handler, options, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // Not left behind, nor declared again after a recovery
            client.DeleteAsync(own, CancellationToken.None).Forget();
            throw;
        }
    }
}
