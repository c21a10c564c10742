namespace FederatedLearning.Protocol;

/// <summary>
/// One protocol of the unified server: AMQP, MQTT, gRPC, QUIC, DDS. A handler should be indistinguishable from running
/// its protocol's server alone; the only difference is that what it receives goes to the core.
/// </summary>
/// <remarks>
/// The rules, the same for every protocol:
/// <list type="bullet">
/// <item>A handler owns its connections and its threads. Nothing else touches them.</item>
/// <item>The core never calls a handler to send. It puts messages into the handler's own queue
/// (<see cref="HandlerContext.Outgoing"/>), and the handler reads them on whatever thread owns its connection.</item>
/// <item>What the handler receives it gives to <see cref="HandlerContext.Federation"/>, from any thread, any number at
/// once.</item>
/// <item>A handler keeps its own table from client id to the way to that client (a queue, a stream, a topic). A client
/// enters the table when its registration is received, before the core is told, so that the answer finds its
/// way.</item>
/// <item>A connection that is lost is the handler's matter: it reconnects, and sends again what may not have arrived.
/// Everything sent may arrive twice, in either direction; core and clients ignore what they have already seen.</item>
/// </list>
/// </remarks>
public interface IProtocolHandler : IAsyncDisposable
{
    /// <summary>The protocol's short name in logs, on the page and in results, for example <c>amqp</c>.</summary>
    string Name { get; }

    /// <summary>Starts the handler's threads. Returns when they run; the connection may come up later.</summary>
    /// <param name="context">The callbacks into the core, and the queue of what is to be sent.</param>
    /// <param name="cancellationToken">Ends the start, not the handler.</param>
    /// <exception cref="Exception">The handler can never work (its settings are wrong): the whole server does not
    /// start.</exception>
    Task StartAsync(HandlerContext context, CancellationToken cancellationToken);

    /// <summary>
    /// Ends the handler in order: it takes nothing more in, sends what its queue still holds (the core has completed
    /// the queue before), and closes its connections.
    /// </summary>
    /// <param name="cancellationToken">The end of patience: what is not sent by then is given up, and the handler ends
    /// all the same.</param>
    Task StopAsync(CancellationToken cancellationToken);
}

/// <summary>What a handler is started with.</summary>
/// <param name="Federation">The callbacks into the core, bound to this handler.</param>
/// <param name="Outgoing">What the core wants sent to the clients of this handler, in order. Only this handler reads
/// it.</param>
public sealed record HandlerContext(IFederation Federation, OutgoingQueue Outgoing)
{
    /// <summary>Where the handler counts what it receives and sends.</summary>
    public ProtocolTraffic Traffic { get; init; } = new();
}
