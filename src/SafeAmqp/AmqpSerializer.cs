using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace SafeAmqp;

/// <summary>Turns values into bodies and back. Used by many threads at once.</summary>
public interface IAmqpSerializer
{
    /// <summary>The content type of what it writes.</summary>
    string ContentType { get; }

    /// <summary>Writes a value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="type">The type to write it as.</param>
    /// <returns>The body.</returns>
    ReadOnlyMemory<byte> Serialize(object? value, Type type);

    /// <summary>Reads a value. Whatever it throws means that the message cannot be read.</summary>
    /// <param name="message">The message, with its properties and its body.</param>
    /// <param name="type">The type to read it as.</param>
    /// <returns>The value; <see langword="null"/> is refused by consumers and servers.</returns>
    object? Deserialize(AmqpMessage message, Type type);
}

/// <summary>JSON in UTF-8, as <c>application/json</c>.</summary>
public sealed class AmqpJsonSerializer : IAmqpSerializer
{
    internal const string Reflects =
        "JSON without source-generated metadata reflects over types. Give a JsonTypeInfo or a JsonSerializerContext.";

    private readonly Func<Type, JsonTypeInfo> _written, _read;

    /// <summary>By source-generated metadata: safe to trim and to compile ahead of time.</summary>
    /// <param name="context">Knows every type that is written or read.</param>
    public AmqpJsonSerializer(JsonSerializerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        _written = _read = context.Options.GetTypeInfo;
    }

    /// <summary>By reflection.</summary>
    /// <param name="options">How to write and read. Default: <see cref="JsonSerializerOptions.Web"/>: camel case, read
    /// in any case.</param>
    [RequiresUnreferencedCode(Reflects), RequiresDynamicCode(Reflects)]
    public AmqpJsonSerializer(JsonSerializerOptions? options = null)
    {
        options ??= JsonSerializerOptions.Web;
        options.MakeReadOnly(populateMissingResolver: true);
        _written = _read = options.GetTypeInfo;
    }

    // What is written and what is read may be of one type, and have metadata that differ.
    internal AmqpJsonSerializer(JsonTypeInfo written, JsonTypeInfo read)
        => (_written, _read) = (_ => written, _ => read);

    /// <inheritdoc/>
    public string ContentType => "application/json";

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Serialize(object? value, Type type)
        => JsonSerializer.SerializeToUtf8Bytes(value, _written(type));

    /// <inheritdoc/>
    public object? Deserialize(AmqpMessage message, Type type)
    {
        ArgumentNullException.ThrowIfNull(message);
        ReadOnlySpan<byte> body = message.Body.Span, mark = "\uFEFF"u8;
        // A byte-order mark is no JSON, but may be passed over (RFC 8259, section 8.1).
        return JsonSerializer.Deserialize(body.StartsWith(mark) ? body[mark.Length..] : body, _read(type));
    }
}

/// <summary>The verbs with values for bodies, in any format. Each is the verb of <see cref="IAmqpClient"/> with its
/// exceptions and its guarantees. A message gets the serializer's content type, the value's type by its name
/// (<see cref="AmqpMessage.Type"/>) and an id, unless its template has them.</summary>
public static class AmqpSerializerExtensions
{
    /// <summary>Publishes a value and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The type to write it as; with <see cref="object"/> that of the value.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the value with: its address and properties. Its body is
    /// replaced.</param>
    /// <param name="value">The value.</param>
    /// <param name="serializer">Writes the value.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishAsync<T>(this IAmqpClient client, AmqpMessage template, T value,
        IAmqpSerializer serializer, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        return client.PublishAsync(Write(template, value, serializer, nameof(value)), cancellationToken);
    }

    /// <summary>Publishes a value and waits until the broker has taken responsibility for it.</summary>
    /// <typeparam name="T">The type to write it as; with <see cref="object"/> that of the value.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="value">The value.</param>
    /// <param name="serializer">Writes the value.</param>
    /// <param name="cancellationToken">Cancels while the message has not been sent.</param>
    /// <returns>A task that completes when the broker has confirmed.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">It was not confirmed.</exception>
    public static ValueTask PublishAsync<T>(this IAmqpClient client, string exchange, string routingKey, T value,
        IAmqpSerializer serializer, CancellationToken cancellationToken = default)
        => client.PublishAsync(AmqpMessage.ToExchange(exchange, routingKey, []), value, serializer,
            cancellationToken);

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The reply's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="template">The message to send the request with: its address and properties. Its body is
    /// replaced.</param>
    /// <param name="request">The request.</param>
    /// <param name="serializer">Writes the request and reads the reply.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply; <see langword="null"/> when the other side answered so.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">The reply cannot be read. The other side has done the work.</exception>
    public static async ValueTask<TReply?> CallAsync<TRequest, TReply>(this IAmqpClient client, AmqpMessage template,
        TRequest request, IAmqpSerializer serializer, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        AmqpMessage message = Write(template, request, serializer, nameof(request));
        AmqpReply reply = await client.CallAsync(message, options, cancellationToken).ConfigureAwait(false);
        return (TReply?)Read(reply.Message, typeof(TReply), serializer, "reply");
    }

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <typeparam name="TRequest">The request's type.</typeparam>
    /// <typeparam name="TReply">The reply's type.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="exchange">The exchange's name. Empty is the default exchange, which routes to the queue named by
    /// the key.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="request">The request.</param>
    /// <param name="serializer">Writes the request and reads the reply.</param>
    /// <param name="options">Deadline and reply address. Default: 30 s, an exclusive queue.</param>
    /// <param name="cancellationToken">Ends the call at once; its reply then counts as late.</param>
    /// <returns>The reply; <see langword="null"/> when the other side answered so.</returns>
    /// <exception cref="ArgumentException">An argument is not valid; nothing was sent.</exception>
    /// <exception cref="AmqpException">There is no reply, or the other side failed.</exception>
    /// <exception cref="InvalidDataException">The reply cannot be read. The other side has done the work.</exception>
    public static ValueTask<TReply?> CallAsync<TRequest, TReply>(this IAmqpClient client, string exchange,
        string routingKey, TRequest request, IAmqpSerializer serializer, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
        => client.CallAsync<TRequest, TReply>(AmqpMessage.ToExchange(exchange, routingKey, []), request, serializer,
            options, cancellationToken);

    /// <summary>Consumes a queue. A message that cannot be read, or holds nothing, fails with
    /// <see cref="AmqpUnreadableException"/>: it is not tried again.</summary>
    /// <typeparam name="T">What the bodies hold.</typeparam>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="serializer">Reads the bodies.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    public static Task<AmqpSubscription> ConsumeAsync<T>(this IAmqpClient client, string queue,
        IAmqpSerializer serializer, AmqpHandler<T> handler, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(handler);
        return client.ConsumeAsync(queue, (delivery, lost)
            => handler((T)ReadDelivery(delivery, typeof(T), serializer), delivery, lost), options, cancellationToken);
    }

    /// <summary>Consumes a queue whose messages are of several types, each known when it comes.</summary>
    /// <param name="client">The client.</param>
    /// <param name="queue">The queue's name.</param>
    /// <param name="serializer">Reads the bodies.</param>
    /// <param name="typeOf">The type of a message, for example by <see cref="AmqpMessage.Type"/>;
    /// <see langword="null"/> when it is not known, so that the message cannot be read.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <param name="cancellationToken">Cancels the wait for the broker's confirmation, and the consumer with
    /// it.</param>
    /// <returns>The subscription, when the broker has confirmed the consumer.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    /// <exception cref="AmqpTopologyException">The broker refused the consumer or did not answer in time.</exception>
    public static Task<AmqpSubscription> ConsumeAsync(this IAmqpClient client, string queue,
        IAmqpSerializer serializer, Func<AmqpDelivery, Type?> typeOf, AmqpHandler<object> handler,
        AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(typeOf);
        ArgumentNullException.ThrowIfNull(handler);
        return client.ConsumeAsync(queue, (delivery, lost)
            => handler(ReadDelivery(delivery, typeOf, serializer), delivery, lost), options, cancellationToken);
    }

    /// <summary>Answers the requests of a queue. A request that cannot be read, or holds nothing, is answered with a
    /// fault.</summary>
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
    public static Task<AmqpSubscription> ServeAsync<TRequest, TReply>(this IAmqpClient client, string queue,
        IAmqpSerializer serializer, AmqpRequestHandler<TRequest, TReply> handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(handler);
        return client.ServeAsync(queue, (delivery, abandoned)
            => AnswerAsync(handler, delivery, serializer, abandoned), options, cancellationToken);
    }

    internal static async ValueTask<AmqpMessage> AnswerAsync<TRequest, TReply>(
        AmqpRequestHandler<TRequest, TReply> handler, AmqpDelivery delivery, IAmqpSerializer serializer,
        CancellationToken abandoned)
    {
        object request = ReadRequired(delivery.Message, typeof(TRequest), serializer, "request");
        return Answer(await handler((TRequest)request, delivery, abandoned).ConfigureAwait(false), serializer);
    }

    internal static AmqpMessage Answer<TReply>(TReply reply, IAmqpSerializer serializer) => new()
    {
        Body = serializer.Serialize(reply, typeof(TReply)),
        ContentType = serializer.ContentType,
        Type = typeof(TReply).Name,
    };

    internal static object ReadDelivery(AmqpDelivery delivery, Func<AmqpDelivery, Type?> typeOf,
        IAmqpSerializer serializer)
        => ReadDelivery(delivery, typeOf(delivery)
            ?? throw new AmqpUnreadableException("There is no type for the message."), serializer);

    internal static object ReadDelivery(AmqpDelivery delivery, Type type, IAmqpSerializer serializer)
    {
        try
        {
            return ReadRequired(delivery.Message, type, serializer, "body");
        }
        catch (InvalidDataException fault)
        {
            throw new AmqpUnreadableException(fault.Message, fault.InnerException);
        }
    }

    internal static AmqpMessage Write<T>(AmqpMessage template, T value, IAmqpSerializer serializer, string name)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(value, name);
        Type type = typeof(T) == typeof(object) ? value!.GetType() : typeof(T);
        return template with
        {
            Body = serializer.Serialize(value, type),
            ContentType = template.ContentType ?? serializer.ContentType,
            Type = template.Type ?? type.Name,
            MessageId = template.MessageId ?? Guid.NewGuid().ToString("N"),
        };
    }

    internal static object ReadRequired(AmqpMessage message, Type type, IAmqpSerializer serializer, string what)
        => Read(message, type, serializer, what)
            ?? throw new InvalidDataException($"The {what} is null, not {type.Name}.");

    // Whatever reading throws, constructors and converters of the type included, it throws again for the same body. The
    // message leaves out the serializer's own, which may quote the body and would travel to the caller of a server.
    internal static object? Read(AmqpMessage message, Type type, IAmqpSerializer serializer, string what)
    {
        try
        {
            return serializer.Deserialize(message, type);
        }
        catch (Exception fault) when (fault is not OutOfMemoryException)
        {
            throw new InvalidDataException($"The {what} of {message.Body.Length} bytes is not valid "
                + $"{serializer.ContentType} for {type.Name}.", fault);
        }
    }
}
