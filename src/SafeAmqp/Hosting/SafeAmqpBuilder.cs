using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using SafeAmqp.Hosting;

namespace SafeAmqp;

/// <summary>Adds what the host does with a client. When the host starts, it connects and then declares every topology;
/// when all hosted services have started, consumers and servers are started. What fails is logged and tried again,
/// after 1 s and then twice as long each time up to 30 s, until it succeeds; a topology over which the broker closed
/// the connection after 5 minutes. What can never succeed, an argument that is not valid or a part of the program that
/// is missing, fails the start, or stops the host where it is found later. A topology that is refused does not keep
/// consumers from starting. When the host begins to stop, consumers and servers are stopped together; when all hosted
/// services have stopped, the client is disposed.</summary>
public sealed partial class SafeAmqpBuilder
{
    private readonly ClientRegistration _registration;

    internal SafeAmqpBuilder(IServiceCollection services, ClientRegistration registration)
    {
        Services = services;
        _registration = registration;
    }

    /// <summary>The services that the client is registered with.</summary>
    public IServiceCollection Services { get; }

    /// <summary>The client's key; <see langword="null"/> for the one without.</summary>
    public string? Key => _registration.Key;

    /// <summary>Whether the host's start waits until every link is open and each topology was tried. A client of
    /// another class than <see cref="AmqpClient"/> counts as open.</summary>
    /// <param name="wait">Whether to wait; only the host's start-up time-out ends it.</param>
    /// <returns>This builder. Default: <see langword="false"/>, the host starts with the broker down,
    /// at the latest after <see cref="WithTopologyTimeout"/>; with
    /// <see cref="AmqpFirstConnect.FailFast"/> <see langword="true"/>, and the start fails when no host can be
    /// reached.</returns>
    public SafeAmqpBuilder WaitForConnection(bool wait = true)
    {
        _registration.WaitForConnection = wait;
        return this;
    }

    /// <summary>How long the host's start waits until each topology was tried, so that the first publish finds its
    /// exchange and queue. After that the host starts all the same, with a warning, and declaring goes on in the
    /// background.</summary>
    /// <param name="timeout">Zero, not to wait, to 10 minutes. Default: 10 s.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is out of its range.</exception>
    public SafeAmqpBuilder WithTopologyTimeout(TimeSpan timeout)
    {
        Check.Range(timeout, TimeSpan.Zero, TimeSpan.FromMinutes(10), nameof(timeout));
        _registration.TopologyTimeout = timeout;
        return this;
    }

    /// <summary>How long a stopping host waits for consumers and servers, all together, before it goes on to dispose
    /// the client; what is unsettled then goes back to its queue. Each also has its own
    /// <see cref="AmqpConsumerOptions.StopTimeout"/>, and the host its own time-out.</summary>
    /// <param name="timeout">Zero to 10 minutes. Default: 20 s, which leaves the client some of a host's usual 30
    /// s.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is out of its range.</exception>
    public SafeAmqpBuilder WithDrainTimeout(TimeSpan timeout)
    {
        Check.Range(timeout, TimeSpan.Zero, TimeSpan.FromMinutes(10), nameof(timeout));
        _registration.DrainTimeout = timeout;
        return this;
    }

    /// <summary>Adds exchanges, queues and bindings to declare before any consumer starts.</summary>
    /// <param name="topology">The topology.</param>
    /// <returns>This builder.</returns>
    public SafeAmqpBuilder AddTopology(AmqpTopology topology)
    {
        ArgumentNullException.ThrowIfNull(topology);
        return AddTopology(_ => topology);
    }

    /// <summary>Adds exchanges, queues and bindings to declare before any consumer starts.</summary>
    /// <param name="topology">Makes the topology when the host starts; an exception from it stops the start.</param>
    /// <returns>This builder.</returns>
    public SafeAmqpBuilder AddTopology(Func<IServiceProvider, AmqpTopology> topology)
    {
        ArgumentNullException.ThrowIfNull(topology);
        _registration.Topologies.Add(topology);
        return this;
    }

    /// <summary>Consumes a queue with a class. It is made in a scope of its own for each delivery, which ends before
    /// the delivery is settled, and once when the host starts, so that a missing service stops the start.</summary>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="options">How to consume. Default: prefetch 100, one at a time, what fails tried again.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddConsumer<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, AmqpConsumerOptions? options = null) where THandler : class, IAmqpConsumer
        => Add<THandler>(WorkerRegistration.Consumer(Checked(queue), options?.ValidatedFor(queue),
            (services, delivery, lost) => services.GetRequiredService<THandler>().HandleAsync(delivery, lost)));

    /// <summary>Consumes a queue with a delegate.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Handles each delivery.</param>
    /// <param name="options">How to consume. Default: prefetch 100, one at a time, what fails tried again.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddConsumer(string queue, AmqpHandler handler, AmqpConsumerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return AddConsumer(queue, (_, delivery, lost) => handler(delivery, lost), options);
    }

    /// <summary>Consumes a queue with a delegate that takes services from a scope of its own for each
    /// delivery.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Handles each delivery. The scope ends before the delivery is settled.</param>
    /// <param name="options">How to consume. Default: prefetch 100, one at a time, what fails tried again.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddConsumer(string queue,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<AmqpSettlement>> handler,
        AmqpConsumerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add(WorkerRegistration.Consumer(Checked(queue), options?.ValidatedFor(queue), handler));
    }

    /// <summary>Answers the requests of a queue with a class. It is made in a scope of its own for each request, which
    /// ends before the reply goes out, and once when the host starts, so that a missing service stops the
    /// start.</summary>
    /// <typeparam name="THandler">The class; registered as scoped, unless it is registered already.</typeparam>
    /// <param name="queue">The queue's name.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddServer<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, AmqpServeOptions? options = null) where THandler : class, IAmqpServer
        => Add<THandler>(WorkerRegistration.Server(Checked(queue), Checked(queue, options),
            (services, request, abandoned) => services.GetRequiredService<THandler>().HandleAsync(request, abandoned)));

    /// <summary>Answers the requests of a queue with a delegate.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddServer(string queue, AmqpRequestHandler handler, AmqpServeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return AddServer(queue, (_, request, abandoned) => handler(request, abandoned), options);
    }

    /// <summary>Answers the requests of a queue with a delegate that takes services from a scope of its own for each
    /// request.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Answers a request. The scope ends before the reply goes out.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddServer(string queue,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<AmqpMessage>> handler,
        AmqpServeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add(WorkerRegistration.Server(Checked(queue), Checked(queue, options), handler));
    }

    /// <summary>Answers each request of a queue with many replies, by a class. It is made in a scope of its own for
    /// each request, which ends behind the last reply, and once when the host starts, so that a missing service stops
    /// the start.</summary>
    /// <inheritdoc cref="AddServer{THandler}"/>
    public SafeAmqpBuilder AddManyServer<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        string queue, AmqpServeOptions? options = null) where THandler : class, IAmqpManyServer
        => Add<THandler>(WorkerRegistration.ManyServer(Checked(queue), Checked(queue, options),
            (services, request, abandoned) => services.GetRequiredService<THandler>().HandleAsync(request, abandoned)));

    /// <summary>Answers each request of a queue with many replies, by a delegate.</summary>
    /// <inheritdoc cref="AddServer(string, AmqpRequestHandler, AmqpServeOptions?)"/>
    public SafeAmqpBuilder AddManyServer(string queue, AmqpRepliesHandler handler, AmqpServeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return AddManyServer(queue, (_, request, abandoned) => handler(request, abandoned), options);
    }

    /// <summary>Answers each request of a queue with many replies, by a delegate that takes services from a scope of
    /// its own for each request. The scope ends behind the last reply.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="handler">Answers a request.</param>
    /// <param name="options">How to serve.</param>
    /// <returns>This builder.</returns>
    /// <exception cref="ArgumentException">An argument is not valid.</exception>
    public SafeAmqpBuilder AddManyServer(string queue,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, IAsyncEnumerable<AmqpMessage>> handler,
        AmqpServeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Add(WorkerRegistration.ManyServer(Checked(queue), Checked(queue, options), handler));
    }

    private SafeAmqpBuilder Add<
        [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(
        WorkerRegistration worker) where THandler : class
    {
        Services.TryAddScoped<THandler>();
        return Add(worker with { Probe = static services => services.GetRequiredService<THandler>() });
    }

    private SafeAmqpBuilder Add(WorkerRegistration worker)
    {
        _registration.Workers.Add(worker);
        return this;
    }

    private static string Checked(string queue)
    {
        Check.Name(queue, nameof(queue));
        return queue;
    }

    private static AmqpServeOptions? Checked(string queue, AmqpServeOptions? options)
    {
        ArgumentNullException.ThrowIfNull(options is null ? AmqpConsumerOptions.Default : options.Consumer,
            nameof(AmqpServeOptions.Consumer));
        options?.Consumer.ValidatedFor(queue);
        return options;
    }
}

/// <summary>Handles the deliveries of a queue; see <see cref="SafeAmqpBuilder.AddConsumer{THandler}"/>.</summary>
public interface IAmqpConsumer
{
    /// <inheritdoc cref="AmqpHandler"/>
    ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost);
}

/// <summary>Answers the requests of a queue; see <see cref="SafeAmqpBuilder.AddServer{THandler}"/>.</summary>
public interface IAmqpServer
{
    /// <inheritdoc cref="AmqpRequestHandler"/>
    ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned);
}

/// <summary>Answers each request of a queue with many replies; see
/// <see cref="SafeAmqpBuilder.AddManyServer{THandler}"/>.</summary>
public interface IAmqpManyServer
{
    /// <inheritdoc cref="AmqpRepliesHandler"/>
    IAsyncEnumerable<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned);
}
