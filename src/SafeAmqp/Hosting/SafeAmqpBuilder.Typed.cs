using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.DependencyInjection;
using SafeAmqp.Hosting;

namespace SafeAmqp;

// Consumers and servers that take values.
public sealed partial class SafeAmqpBuilder
{
    /// <summary>Consumes a queue with a class that takes values, read by the <see cref="IAmqpSerializer"/> among the
    /// services, else as JSON by reflection. The class is made in a scope of its own for each delivery, which ends
    /// before the delivery is settled, and once when the host starts, so that a missing service stops the
    /// start.</summary>
    /// <typeparam name="TMessage">What the bodies hold.</typeparam>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public SafeAmqpBuilder AddConsumer<TMessage,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, AmqpConsumerOptions? options = null) where THandler : class, IAmqpConsumer<TMessage>
        => AddConsumer<TMessage, THandler>(queue, Registered(), options);

    /// <summary>Consumes a queue with a class that takes values, read as JSON by source-generated metadata.</summary>
    /// <typeparam name="TMessage">What the bodies hold.</typeparam>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="type">The bodies' JSON metadata.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddConsumer<TMessage,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, JsonTypeInfo<TMessage> type, AmqpConsumerOptions? options = null)
        where THandler : class, IAmqpConsumer<TMessage>
    {
        ArgumentNullException.ThrowIfNull(type);
        return AddConsumer<TMessage, THandler>(queue, new AmqpJsonSerializer(type, type), options);
    }

    /// <summary>Consumes a queue with a class that takes values, read by a serializer.</summary>
    /// <typeparam name="TMessage">What the bodies hold.</typeparam>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="serializer">Reads the bodies.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddConsumer<TMessage,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, IAmqpSerializer serializer, AmqpConsumerOptions? options = null)
        where THandler : class, IAmqpConsumer<TMessage>
    {
        ArgumentNullException.ThrowIfNull(serializer);
        return AddConsumer<TMessage, THandler>(queue, _ => serializer, options);
    }

    /// <summary>Answers the requests of a queue with a class that takes and returns values, read and written by the
    /// <see cref="IAmqpSerializer"/> among the services, else as JSON by reflection. The class is made in a scope of
    /// its own for each request, which ends before the reply goes out, and once when the host starts, so that a missing
    /// service stops the start.</summary>
    /// <typeparam name="TRequest">What the requests hold.</typeparam>
    /// <typeparam name="TReply">What the replies hold.</typeparam>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public SafeAmqpBuilder AddServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, AmqpServeOptions? options = null) where THandler : class, IAmqpServer<TRequest, TReply>
        => AddServer<TRequest, TReply, THandler>(queue, Registered(), options);

    /// <summary>Answers the requests of a queue with a class that takes and returns values, as JSON by source-generated
    /// metadata.</summary>
    /// <typeparam name="TRequest">What the requests hold.</typeparam>
    /// <typeparam name="TReply">What the replies hold.</typeparam>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="requestType">The requests' JSON metadata.</param>
    /// <param name="replyType">The replies' JSON metadata.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpServeOptions? options = null) where THandler : class, IAmqpServer<TRequest, TReply>
    {
        ArgumentNullException.ThrowIfNull(requestType);
        ArgumentNullException.ThrowIfNull(replyType);
        return AddServer<TRequest, TReply, THandler>(queue, new AmqpJsonSerializer(replyType, requestType), options);
    }

    /// <summary>Answers the requests of a queue with a class that takes and returns values, by a serializer.</summary>
    /// <typeparam name="TRequest">What the requests hold.</typeparam>
    /// <typeparam name="TReply">What the replies hold.</typeparam>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="serializer">Reads the requests and writes the replies.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, IAmqpSerializer serializer, AmqpServeOptions? options = null)
        where THandler : class, IAmqpServer<TRequest, TReply>
    {
        ArgumentNullException.ThrowIfNull(serializer);
        return AddServer<TRequest, TReply, THandler>(queue, _ => serializer, options);
    }

    /// <summary>Answers each request of a queue with many replies, by a class that takes and returns values, read and
    /// written by the <see cref="IAmqpSerializer"/> among the services, else as JSON by reflection. The class is made
    /// in a scope of its own for each request, which ends behind the last reply, and once when the host starts, so that
    /// a missing service stops the start.</summary>
    /// <inheritdoc cref="AddServer{TRequest, TReply, THandler}(string, AmqpServeOptions?)"/>
    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    public SafeAmqpBuilder AddManyServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, AmqpServeOptions? options = null) where THandler : class, IAmqpManyServer<TRequest, TReply>
        => AddManyServer<TRequest, TReply, THandler>(queue, Registered(), options);

    /// <summary>Answers each request of a queue with many replies, by a class that takes and returns values, as JSON by
    /// source-generated metadata.</summary>
    /// <inheritdoc cref="AddServer{TRequest, TReply, THandler}(string, JsonTypeInfo{TRequest}, JsonTypeInfo{TReply},
    /// AmqpServeOptions?)"/>
    public SafeAmqpBuilder AddManyServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TReply> replyType,
        AmqpServeOptions? options = null) where THandler : class, IAmqpManyServer<TRequest, TReply>
    {
        ArgumentNullException.ThrowIfNull(requestType);
        ArgumentNullException.ThrowIfNull(replyType);
        return AddManyServer<TRequest, TReply, THandler>(queue, new AmqpJsonSerializer(replyType, requestType),
            options);
    }

    /// <summary>Answers each request of a queue with many replies, by a class that takes and returns values, by a
    /// serializer.</summary>
    /// <inheritdoc cref="AddServer{TRequest, TReply, THandler}(string, IAmqpSerializer, AmqpServeOptions?)"/>
    public SafeAmqpBuilder AddManyServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, IAmqpSerializer serializer, AmqpServeOptions? options = null)
        where THandler : class, IAmqpManyServer<TRequest, TReply>
    {
        ArgumentNullException.ThrowIfNull(serializer);
        return AddManyServer<TRequest, TReply, THandler>(queue, _ => serializer, options);
    }

    /// <summary>Consumes a queue whose messages are of several types, each known when it comes. Each delivery has a
    /// scope of its own.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="serializer">Reads the bodies.</param>
    /// <param name="typeOf">The type of a message; <see langword="null"/> when it is not known, so that the message
    /// cannot be read.</param>
    /// <param name="handler">Handles a value, with the services of the scope.</param>
    /// <param name="options">How to consume. Default: that of <see cref="AmqpConsumerOptions"/>.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddConsumer(string queue, IAmqpSerializer serializer, Func<AmqpDelivery, Type?> typeOf,
        Func<IServiceProvider, object, AmqpDelivery, CancellationToken, ValueTask<AmqpSettlement>> handler,
        AmqpConsumerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(serializer);
        ArgumentNullException.ThrowIfNull(typeOf);
        ArgumentNullException.ThrowIfNull(handler);
        return AddConsumer(queue, (services, delivery, lost) => handler(services,
            AmqpSerializerExtensions.ReadDelivery(delivery, typeOf, serializer), delivery, lost), options);
    }

    // The message is read before the class is made: for one that cannot be read none is needed.
    private SafeAmqpBuilder AddConsumer<TMessage,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, Func<IServiceProvider, IAmqpSerializer> serializer, AmqpConsumerOptions? options)
        where THandler : class, IAmqpConsumer<TMessage>
        => Add<THandler>(WorkerRegistration.Consumer(Checked(queue), options?.ValidatedFor(queue),
            (services, delivery, lost) =>
            {
                var message = (TMessage)AmqpSerializerExtensions.ReadDelivery(delivery, typeof(TMessage),
                    serializer(services));
                return services.GetRequiredService<THandler>().HandleAsync(message, delivery, lost);
            }));

    private SafeAmqpBuilder AddServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, Func<IServiceProvider, IAmqpSerializer> serializer, AmqpServeOptions? options)
        where THandler : class, IAmqpServer<TRequest, TReply>
        => Add<THandler>(WorkerRegistration.Server(Checked(queue), Checked(queue, options),
            (services, delivery, abandoned) => AmqpSerializerExtensions.AnswerAsync<TRequest, TReply>(
                (request, asked, given) => services.GetRequiredService<THandler>().HandleAsync(request, asked, given),
                delivery, serializer(services), abandoned)));

    private SafeAmqpBuilder AddManyServer<TRequest, TReply,
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, Func<IServiceProvider, IAmqpSerializer> serializer, AmqpServeOptions? options)
        where THandler : class, IAmqpManyServer<TRequest, TReply>
        => Add<THandler>(WorkerRegistration.ManyServer(Checked(queue), Checked(queue, options),
            (services, delivery, abandoned) => AmqpCallManyExtensions.AnswerAsync<TRequest, TReply>(
                (request, asked, given) => services.GetRequiredService<THandler>().HandleAsync(request, asked, given),
                delivery, serializer(services), abandoned)));

    [RequiresUnreferencedCode(AmqpJsonSerializer.Reflects), RequiresDynamicCode(AmqpJsonSerializer.Reflects)]
    private static Func<IServiceProvider, IAmqpSerializer> Registered()
    {
        var json = new AmqpJsonSerializer();
        return services => services.GetService<IAmqpSerializer>() ?? json;
    }
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
    /// <param name="deliveryLost">Cancelled when the delivery can no longer be settled: the broker delivers it again,
    /// perhaps elsewhere.</param>
    /// <returns>What becomes of the message.</returns>
    ValueTask<AmqpSettlement> HandleAsync(TMessage message, AmqpDelivery delivery, CancellationToken deliveryLost);
}

/// <summary>Answers the requests of a queue, both as values; see
/// <see cref="SafeAmqpBuilder.AddServer{TRequest, TReply, THandler}(string, AmqpServeOptions?)"/>.</summary>
/// <typeparam name="TRequest">What the requests hold.</typeparam>
/// <typeparam name="TReply">What the replies hold.</typeparam>
public interface IAmqpServer<in TRequest, TReply>
{
    /// <inheritdoc cref="AmqpRequestHandler{TRequest, TReply}"/>
    ValueTask<TReply> HandleAsync(TRequest request, AmqpDelivery delivery, CancellationToken abandoned);
}

/// <summary>Answers each request of a queue with many replies, both as values; see
/// <see cref="SafeAmqpBuilder.AddManyServer{TRequest, TReply, THandler}(string, AmqpServeOptions?)"/>.</summary>
/// <typeparam name="TRequest">What the requests hold.</typeparam>
/// <typeparam name="TReply">What the replies hold.</typeparam>
public interface IAmqpManyServer<in TRequest, out TReply>
{
    /// <inheritdoc cref="AmqpRepliesHandler{TRequest, TReply}"/>
    IAsyncEnumerable<TReply> HandleAsync(TRequest request, AmqpDelivery delivery, CancellationToken abandoned);
}
