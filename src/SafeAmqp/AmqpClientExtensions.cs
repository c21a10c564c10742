using System.Runtime.CompilerServices;

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
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishAsync(this IAmqpClient client, string exchange, string routingKey,
        ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        return client.PublishAsync(AmqpMessage.ToExchange(exchange, routingKey, body), cancellationToken);
    }

    /// <inheritdoc cref="PublishAsync(IAmqpClient, string, string, ReadOnlyMemory{byte}, CancellationToken)"/>
    public static ValueTask PublishAsync(this IAmqpClient client, string exchange, string routingKey, byte[] body,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(body); // which would convert into an empty one
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
        ArgumentNullException.ThrowIfNull(client);
        Check.Name(exchange, nameof(exchange));
        ArgumentNullException.ThrowIfNull(routingKeys);
        ArgumentNullException.ThrowIfNull(handler);
        var queue = AmqpQueue.Own();
        var own = new AmqpTopology().With(queue);
        AmqpTopology bound = own;
        foreach (string key in routingKeys.DefaultIfEmpty(""))
            bound = bound.Bind(exchange, key).ToQueue(queue.Name);
        try
        {
            await client.DeclareAsync(bound, cancellationToken).ConfigureAwait(false);
            return await client.ConsumeAsync(queue.Name, handler, options, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // Not left behind, nor declared again after a recovery
            client.DeleteAsync(own, CancellationToken.None).Forget();
            throw;
        }
    }
}

/// <summary>Calls with many replies whose bodies are values, in any format. Each is the verb of
/// <see cref="IAmqpClient"/> with its exceptions and its guarantees.</summary>
public static class AmqpCallManyExtensions
{
    /// <summary>Sends a request and reads its replies, until the server says that there are no more.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the request with: its address and properties. Its body is
    /// replaced.</param>
    /// <param name="request">The request.</param>
    /// <param name="serializer">Writes the request and reads the replies.</param>
    /// <param name="options">How long to wait, how many replies ahead. Default: 30 s, 100 replies.</param>
    /// <param name="cancellationToken">Ends the sequence; the server is told.</param>
    /// <returns>The replies; <see langword="null"/> where the other side answered so.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no further reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">A reply cannot be read.</exception>
    public static IAsyncEnumerable<TReply?> CallManyAsync<TRequest, TReply>(this IAmqpClient client,
        AmqpMessage template, TRequest request, IAmqpSerializer serializer, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        AmqpMessage message = AmqpSerializerExtensions.Write(template, request, serializer, nameof(request));
        return ReadAsync(client.CallManyAsync(message, options, CancellationToken.None), cancellationToken);

        async IAsyncEnumerable<TReply?> ReadAsync(IAsyncEnumerable<AmqpReply> replies,
            [EnumeratorCancellation] CancellationToken cancelled)
        {
            await foreach (AmqpReply reply in replies.WithCancellation(cancelled).ConfigureAwait(false))
                yield return (TReply?)AmqpSerializerExtensions.Read(reply.Message, typeof(TReply), serializer, "reply");
        }
    }

    /// <summary>Sends a request and reads its replies, until the server says that there are no more.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="request">The request.</param>
    /// <param name="serializer">Writes the request and reads the replies.</param>
    /// <param name="options">How long to wait, how many replies ahead. Default: 30 s, 100 replies.</param>
    /// <param name="cancellationToken">Ends the sequence; the server is told.</param>
    /// <returns>The replies; <see langword="null"/> where the other side answered so.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no further reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">A reply cannot be read.</exception>
    public static IAsyncEnumerable<TReply?> CallManyAsync<TRequest, TReply>(this IAmqpClient client, string exchange,
        string routingKey, TRequest request, IAmqpSerializer serializer, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.CallManyAsync<TRequest, TReply>(AmqpMessage.ToExchange(exchange, routingKey, []), request, serializer,
            options, cancellationToken);

    /// <summary>Answers the requests of a queue with many replies each. A request that cannot be read, or holds
    /// nothing, is answered with a fault.</summary>
    /// <typeparam name="TRequest">The requests' type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="serializer">Reads the requests and writes the replies.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the server with it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    public static Task<AmqpSubscription> ServeManyAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        IAmqpSerializer serializer, AmqpRepliesHandler<TRequest, TReply> handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(handler);
        return client.ServeManyAsync(queue, (delivery, abandoned)
            => AnswerAsync(handler, delivery, serializer, abandoned), options, cancellationToken);
    }

    internal static async IAsyncEnumerable<AmqpMessage> AnswerAsync<TRequest, TReply>(
        AmqpRepliesHandler<TRequest, TReply> handler, AmqpDelivery delivery, IAmqpSerializer serializer,
        [EnumeratorCancellation] CancellationToken abandoned)
    {
        object request = AmqpSerializerExtensions.ReadRequired(delivery.Message, typeof(TRequest), serializer,
            "request");
        await foreach (TReply reply in handler((TRequest)request, delivery, abandoned).WithCancellation(abandoned)
            .ConfigureAwait(false))
            yield return AmqpSerializerExtensions.Answer(reply, serializer);
    }
}
