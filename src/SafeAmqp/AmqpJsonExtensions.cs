using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace SafeAmqp;

/// <summary>Handles a delivery whose body was JSON. An exception counts as failed: see
/// <see cref="AmqpConsumerOptions.OnFailure"/>.</summary>
/// <typeparam name="T">What the body holds.</typeparam>
/// <param name="value">The body, never <see langword="null"/>.</param>
/// <param name="delivery">The delivery it came with.</param>
/// <param name="deliveryLost">Fires when the delivery can no longer be settled: the broker delivers it again, perhaps
/// elsewhere.</param>
/// <returns>What becomes of the message.</returns>
public delegate ValueTask<AmqpSettlement> AmqpJsonHandler<in T>(T value, AmqpDelivery delivery,
    CancellationToken deliveryLost);

/// <summary>Answers a request whose body was JSON. An exception travels back as <see cref="AmqpRemoteException"/>,
/// without its stack trace.</summary>
/// <typeparam name="TRequest">What the request holds.</typeparam>
/// <typeparam name="TReply">What the reply holds.</typeparam>
/// <param name="request">The request, never <see langword="null"/>.</param>
/// <param name="delivery">The delivery it came with.</param>
/// <param name="abandoned">Fires when nobody waits any more: the request's deadline passed, or its delivery was
/// lost.</param>
/// <returns>The reply; may be <see langword="null"/>.</returns>
public delegate ValueTask<TReply> AmqpJsonRequestHandler<in TRequest, TReply>(TRequest request, AmqpDelivery delivery,
    CancellationToken abandoned);

/// <summary>The verbs with bodies in JSON (UTF-8, content type <c>application/json</c>), by source-generated metadata:
/// no reflection, so they are safe to trim and to compile ahead of time. Each is the verb of <see cref="IAmqpClient"/>
/// with its exceptions and its guarantees.</summary>
public static class AmqpJsonExtensions
{
    private const string ContentType = "application/json";

    /// <summary>Publishes a value and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The value's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the value with: its address and properties. Its body is replaced; a
    /// content type that it names is kept.</param>
    /// <param name="value">The value.</param>
    /// <param name="type">The value's JSON metadata.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that ends when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishJsonAsync<T>(this IAmqpClient client, AmqpMessage template, T value,
        JsonTypeInfo<T> type, CancellationToken cancellationToken = default)
    {
        Check.NotNull(client, nameof(client));
        return client.PublishAsync(Message(template, value, type, nameof(value)), cancellationToken);
    }

    /// <summary>Publishes a value and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The value's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="value">The value.</param>
    /// <param name="type">The value's JSON metadata.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that ends when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishJsonAsync<T>(this IAmqpClient client, string exchange, string routingKey, T value,
        JsonTypeInfo<T> type, CancellationToken cancellationToken = default)
        => client.PublishJsonAsync(AmqpMessage.ToExchange(exchange, routingKey, default), value, type,
            cancellationToken);

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The reply's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the request with: its address and properties. Its body is replaced; a
    /// content type that it names is kept.</param>
    /// <param name="request">The request.</param>
    /// <param name="requestType">The request's JSON metadata.</param>
    /// <param name="replyType">The reply's JSON metadata.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply; <see langword="null"/> when the other side answered <c>null</c>.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no reply, or the other side failed.</exception>
    /// <exception cref="JsonException">The reply is not what <paramref name="replyType"/> says. The other side has done
    /// the work.</exception>
    public static async ValueTask<TReply?> CallJsonAsync<TRequest, TReply>(this IAmqpClient client,
        AmqpMessage template, TRequest request,
        JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Check.NotNull(client, nameof(client));
        Check.NotNull(replyType, nameof(replyType));
        var message = Message(template, request, requestType, nameof(request));
        var reply = await client.CallAsync(message, options, cancellationToken).ConfigureAwait(false);
        return Parse(reply.Message, replyType, "reply");
    }

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The reply's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="request">The request.</param>
    /// <param name="requestType">The request's JSON metadata.</param>
    /// <param name="replyType">The reply's JSON metadata.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply; <see langword="null"/> when the other side answered <c>null</c>.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no reply, or the other side failed.</exception>
    /// <exception cref="JsonException">The reply is not what <paramref name="replyType"/> says. The other side has done
    /// the work.</exception>
    public static ValueTask<TReply?> CallJsonAsync<TRequest, TReply>(this IAmqpClient client, string exchange,
        string routingKey, TRequest request,
        JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.CallJsonAsync(AmqpMessage.ToExchange(exchange, routingKey, default), request, requestType, replyType,
            options, cancellationToken);

    /// <summary>Consumes a queue. A body that is not what <paramref name="type"/> says, or is <c>null</c>, is rejected
    /// and never requeued: it goes to the queue's dead-letter exchange, or away when it has none.</summary>
    /// <typeparam name="T">What the bodies hold.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="type">The bodies' JSON metadata.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: prefetch 100, one at a time, failed deliveries requeued.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    public static ValueTask<AmqpSubscription> ConsumeJsonAsync<T>(this IAmqpClient client, string queue,
        JsonTypeInfo<T> type,
        AmqpJsonHandler<T> handler, AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check.NotNull(client, nameof(client));
        Check.NotNull(type, nameof(type));
        Check.NotNull(handler, nameof(handler));
        return client.ConsumeAsync(queue, HandleAsync, options, cancellationToken);

        ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
        {
            T value;
            try
            {
                value = ParseNotNull(delivery.Message, type, "body");
            }
            catch (JsonException fault)
            {
                // The span is the only place to say why; the reason names the type and never the body.
                delivery.Fault = fault;
                Activity.Current?.SetStatus(ActivityStatusCode.Error, fault.Message);
                return new ValueTask<AmqpSettlement>(AmqpSettlement.Reject);
            }
            return handler(value, delivery, deliveryLost);
        }
    }

    /// <summary>Answers the requests of a queue. A request that is not what <paramref name="requestType"/> says, or is
    /// <c>null</c>, is answered with a fault.</summary>
    /// <typeparam name="TRequest">The requests' type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="requestType">The requests' JSON metadata.</param>
    /// <param name="replyType">The replies' JSON metadata.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the server with it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    public static ValueTask<AmqpSubscription> ServeJsonAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
            AmqpJsonRequestHandler<TRequest, TReply> handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
    {
        Check.NotNull(client, nameof(client));
        Check.NotNull(requestType, nameof(requestType));
        Check.NotNull(replyType, nameof(replyType));
        Check.NotNull(handler, nameof(handler));
        return client.ServeAsync(queue, AnswerAsync, options, cancellationToken);

        async ValueTask<AmqpMessage> AnswerAsync(AmqpDelivery delivery, CancellationToken abandoned)
        {
            var request = ParseNotNull(delivery.Message, requestType, "request");
            var reply = await handler(request, delivery, abandoned).ConfigureAwait(false);
            return new AmqpMessage
            {
                Body = JsonSerializer.SerializeToUtf8Bytes(reply, replyType),
                ContentType = ContentType
            };
        }
    }

    private static AmqpMessage Message<T>(AmqpMessage template, T value, JsonTypeInfo<T> type, string name)
    {
        Check.NotNull(template, nameof(template));
        Check.NotNull(type, nameof(type));
        Check.NotNull(value, name);
        return template with
        {
            Body = JsonSerializer.SerializeToUtf8Bytes(value, type),
            ContentType = template.ContentType ?? ContentType,
        };
    }

    private static T ParseNotNull<T>(AmqpMessage message, JsonTypeInfo<T> type, string what)
        => Parse(message, type, what) ?? throw new JsonException($"The {what} is null, not {type.Type.Name}.");

    // Whatever parsing throws, constructors and converters of the type included, it throws again for the same body: to
    // requeue it would loop for ever. The message leaves out the parser's own, which may quote the body and would
    // travel to the caller of a server.
    private static T? Parse<T>(AmqpMessage message, JsonTypeInfo<T> type, string what)
    {
        try
        {
            return JsonSerializer.Deserialize(message.Body.Span, type);
        }
        catch (Exception fault) when (fault is not OutOfMemoryException)
        {
            throw new JsonException($"The {what} of {message.Body.Length} bytes is not valid JSON for "
                + $"{type.Type.Name}.", fault);
        }
    }
}
