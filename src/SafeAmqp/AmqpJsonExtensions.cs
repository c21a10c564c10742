using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace SafeAmqp;

/// <summary>The verbs with bodies in JSON (UTF-8, content type <c>application/json</c>): those of
/// <see cref="AmqpSerializerExtensions"/>. With source-generated metadata they are safe to trim and to compile ahead of
/// time; those without reflect, with <see cref="JsonSerializerOptions.Web"/>. For other options give the verbs of
/// <see cref="AmqpSerializerExtensions"/> an <see cref="AmqpJsonSerializer"/>.</summary>
public static class AmqpJsonExtensions
{
    /// <summary>Publishes a value and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The value's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the value with: its address and properties. Its body is
    /// replaced.</param>
    /// <param name="value">The value.</param>
    /// <param name="type">The value's JSON metadata.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishJsonAsync<T>(this IAmqpClient client, AmqpMessage template, T value,
        JsonTypeInfo<T> type, CancellationToken cancellationToken = default)
        => client.PublishAsync(template, value, Json(type, type), cancellationToken);

    /// <summary>Publishes a value and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The value's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="value">The value.</param>
    /// <param name="type">The value's JSON metadata.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishJsonAsync<T>(this IAmqpClient client, string exchange, string routingKey, T value,
        JsonTypeInfo<T> type, CancellationToken cancellationToken = default)
        => client.PublishJsonAsync(AmqpMessage.ToExchange(exchange, routingKey, []), value, type,
            cancellationToken);

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The reply's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the request with: its address and properties. Its body is
    /// replaced.</param>
    /// <param name="request">The request.</param>
    /// <param name="requestType">The request's JSON metadata.</param>
    /// <param name="replyType">The reply's JSON metadata.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply; <see langword="null"/> when the other side answered <c>null</c>.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">The reply is not what <paramref name="replyType"/> says. The other side
    /// has done the work.</exception>
    public static ValueTask<TReply?> CallJsonAsync<TRequest, TReply>(this IAmqpClient client, AmqpMessage template,
        TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpCallOptions? options = null, CancellationToken cancellationToken = default)
        => client.CallAsync<TRequest, TReply>(template, request, Json(requestType, replyType), options,
            cancellationToken);

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
    /// <exception cref="InvalidDataException">The reply is not what <paramref name="replyType"/> says. The other side
    /// has done the work.</exception>
    public static ValueTask<TReply?> CallJsonAsync<TRequest, TReply>(this IAmqpClient client, string exchange,
        string routingKey, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpCallOptions? options = null, CancellationToken cancellationToken = default)
        => client.CallJsonAsync(AmqpMessage.ToExchange(exchange, routingKey, []), request, requestType, replyType,
            options, cancellationToken);

    /// <summary>Consumes a queue. A body that is not what <paramref name="type"/> says, or is <c>null</c>, fails with
    /// <see cref="AmqpUnreadableException"/>: it is not tried again.</summary>
    /// <typeparam name="T">What the bodies hold.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="type">The bodies' JSON metadata.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    public static Task<AmqpSubscription> ConsumeJsonAsync<T>(this IAmqpClient client, string queue,
        JsonTypeInfo<T> type, AmqpHandler<T> handler, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.ConsumeAsync(queue, Json(type, type), handler, options, cancellationToken);

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
    public static Task<AmqpSubscription> ServeJsonAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpRequestHandler<TRequest, TReply> handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.ServeAsync(queue, Json(replyType, requestType), handler, options, cancellationToken);

    /// <summary>Sends a request and reads its replies, until the server says that there are no more.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the request with: its address and properties. Its body is
    /// replaced.</param>
    /// <param name="request">The request.</param>
    /// <param name="requestType">The request's JSON metadata.</param>
    /// <param name="replyType">The replies' JSON metadata.</param>
    /// <param name="options">How long to wait, how many replies ahead. Default: 30 s, 100 replies.</param>
    /// <param name="cancellationToken">Ends the sequence; the server is told.</param>
    /// <returns>The replies; <see langword="null"/> where the other side answered so.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no further reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">A reply cannot be read.</exception>
    public static IAsyncEnumerable<TReply?> CallManyJsonAsync<TRequest, TReply>(this IAmqpClient client,
        AmqpMessage template, TRequest request, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpCallManyOptions? options = null, CancellationToken cancellationToken = default)
        => client.CallManyAsync<TRequest, TReply>(template, request, Json(requestType, replyType), options,
            cancellationToken);

    /// <summary>Sends a request and reads its replies, until the server says that there are no more.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="request">The request.</param>
    /// <param name="requestType">The request's JSON metadata.</param>
    /// <param name="replyType">The replies' JSON metadata.</param>
    /// <param name="options">How long to wait, how many replies ahead. Default: 30 s, 100 replies.</param>
    /// <param name="cancellationToken">Ends the sequence; the server is told.</param>
    /// <returns>The replies; <see langword="null"/> where the other side answered so.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no further reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">A reply cannot be read.</exception>
    public static IAsyncEnumerable<TReply?> CallManyJsonAsync<TRequest, TReply>(this IAmqpClient client,
        string exchange, string routingKey, TRequest request, JsonTypeInfo<TRequest> requestType,
        JsonTypeInfo<TReply> replyType, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.CallManyJsonAsync(AmqpMessage.ToExchange(exchange, routingKey, []), request, requestType, replyType,
            options, cancellationToken);

    /// <summary>Answers the requests of a queue with many replies each. A request that cannot be read, or holds
    /// nothing, is answered with a fault.</summary>
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
    public static Task<AmqpSubscription> ServeManyJsonAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpRepliesHandler<TRequest, TReply> handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.ServeManyAsync(queue, Json(replyType, requestType), handler, options, cancellationToken);

    /// <summary>Publishes a value, by reflection, and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The type to write it as; with <see cref="object"/> that of the value.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="value">The value.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public static ValueTask PublishJsonAsync<T>(this IAmqpClient client, string exchange, string routingKey, T value,
        CancellationToken cancellationToken = default)
        => client.PublishAsync(exchange, routingKey, value, new AmqpJsonSerializer(), cancellationToken);

    /// <summary>Sends a request, by reflection, and waits for its reply.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The reply's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="request">The request.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply; <see langword="null"/> when the other side answered <c>null</c>.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">The reply cannot be read. The other side has done the work.</exception>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public static ValueTask<TReply?> CallJsonAsync<TRequest, TReply>(this IAmqpClient client, string exchange,
        string routingKey, TRequest request, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.CallAsync<TRequest, TReply>(exchange, routingKey, request, new AmqpJsonSerializer(), options,
            cancellationToken);

    /// <summary>Consumes a queue, by reflection. A body that is not JSON for <typeparamref name="T"/>, or is
    /// <c>null</c>, fails with <see cref="AmqpUnreadableException"/>: it is not tried again.</summary>
    /// <typeparam name="T">What the bodies hold.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public static Task<AmqpSubscription> ConsumeJsonAsync<T>(this IAmqpClient client, string queue,
        AmqpHandler<T> handler, AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
        => client.ConsumeAsync(queue, new AmqpJsonSerializer(), handler, options, cancellationToken);

    /// <summary>Answers the requests of a queue, by reflection. A request that is not JSON for
    /// <typeparamref name="TRequest"/>, or is <c>null</c>, is answered with a fault.</summary>
    /// <typeparam name="TRequest">The requests' type.</typeparam>
    /// <typeparam name="TReply">The replies' type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the server with it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public static Task<AmqpSubscription> ServeJsonAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        AmqpRequestHandler<TRequest, TReply> handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.ServeAsync(queue, new AmqpJsonSerializer(), handler, options, cancellationToken);

    /// <summary>Sends a request, by reflection, and reads its replies, until the server says that there are no
    /// more.</summary>
    /// <inheritdoc cref="AmqpCallManyExtensions.CallManyAsync{TRequest, TReply}(IAmqpClient, string, string, TRequest,
    /// IAmqpSerializer, AmqpCallManyOptions, CancellationToken)"/>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public static IAsyncEnumerable<TReply?> CallManyJsonAsync<TRequest, TReply>(this IAmqpClient client,
        string exchange, string routingKey, TRequest request, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.CallManyAsync<TRequest, TReply>(exchange, routingKey, request, new AmqpJsonSerializer(), options,
            cancellationToken);

    /// <summary>Answers the requests of a queue, by reflection, with many replies each. A request that is not JSON for
    /// <typeparamref name="TRequest"/>, or is <c>null</c>, is answered with a fault.</summary>
    /// <inheritdoc cref="AmqpCallManyExtensions.ServeManyAsync{TRequest, TReply}"/>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public static Task<AmqpSubscription> ServeManyJsonAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        AmqpRepliesHandler<TRequest, TReply> handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.ServeManyAsync(queue, new AmqpJsonSerializer(), handler, options, cancellationToken);

    private static AmqpJsonSerializer Json(JsonTypeInfo written, JsonTypeInfo read,
        [CallerArgumentExpression(nameof(written))] string? nameOfWritten = null,
        [CallerArgumentExpression(nameof(read))] string? nameOfRead = null)
    {
        ArgumentNullException.ThrowIfNull(written, nameOfWritten);
        ArgumentNullException.ThrowIfNull(read, nameOfRead);
        return new AmqpJsonSerializer(written, read);
    }
}
