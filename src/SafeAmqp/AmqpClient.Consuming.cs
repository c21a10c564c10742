using System.Collections.Concurrent;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Links;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    private readonly HandlerSurroundings _handlers;
    private readonly Rejections _rejections;
    private readonly ConcurrentDictionary<string, string> _consumerTags = []; // with their queues

    /// <summary>Cancelled when the host that the client belongs to begins to stop; it disposes of the client
    /// later.</summary>
    internal CancellationToken HostStops { get; init; }

    /// <inheritdoc/>
    public Task<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler,
        AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
        => ConsumeAsync(queue, handler, options, DeliveryUse.Handler, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<AmqpDelivery> ReadAllAsync(string queue, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        options = (options ?? AmqpConsumerOptions.Default).ValidatedFor(queue);
        if (options.Concurrency != 1)
            throw new ArgumentException("Concurrency must be 1: a sequence is read by one loop.", nameof(options));
        // The loop's own token says when its host stops
        return DeliverySequence.ReadAllAsync(
            (handle, ended, cancelled)
                => ConsumeAsync(queue, handle, options, DeliveryUse.Handler, ended, hostStops: default, cancelled),
            _observer, cancellationToken);
    }

    private Task<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler, AmqpConsumerOptions? options,
        DeliveryUse use, CancellationToken cancellationToken, RpcServer? server = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        options = (options ?? AmqpConsumerOptions.Default).ValidatedFor(queue);
        if (use == DeliveryUse.Handler && !AmqpQueue.IsTemporary(queue, _topology.QueueNamed(queue)))
            AmqpConsumerOptions.CheckNamesBeside(queue, options.OnFailure.QueuesOfHeld(queue));
        // Calls go on while the host stops, and their replies with them
        return ConsumeAsync(queue, new HandlerRunner(_handlers, handler, use).RunAsync, options, use, ended: null,
            use == DeliveryUse.Reply ? CancellationToken.None : HostStops, cancellationToken, server);
    }

    // Calls back when the consumer has stopped for whatever reason.
    private async Task<AmqpSubscription> ConsumeAsync(string queue, DeliveryHandler handle,
        AmqpConsumerOptions options, DeliveryUse use, Action<Exception>? ended, CancellationToken hostStops,
        CancellationToken cancellationToken, RpcServer? server = null)
    {
        Start();
        if (options.ConsumerTag is { } tag && !_consumerTags.TryAdd(tag, queue))
            throw new ArgumentException($"A consumer of this client has the tag '{tag}' already.", nameof(options));
        ClientLink link = LinkOf(queue, server);
        Subscription subscription;
        lock (_consumersGate)
        {
            // Disposal drains consumers first: none begins then
            ObjectDisposedException.ThrowIf(_consumersEnd, this);
            subscription = new Subscription(queue, options, link.Thread, handle, hostStops)
            {
                Serves = server is null ? null : server.NewChannel,
                Observer = _observer,
                ReportRejection = _rejections.Report,
                WarnOfReturns = WarnOfReturns,
                ReportStuck = time => _events.HandlersStuck(queue, time),
                EndsUnreadable = use is DeliveryUse.Handler or DeliveryUse.Move && ended is null,
                TakesUnreadable = use is DeliveryUse.Request or DeliveryUse.Reply,
                Stopped = s => Forget(s, ended),
            };
            _subscriptions.TryAdd(subscription, true);
        }
        subscription.EndWhenPoisoned(ended);
        link.Thread.PostOrAbandon(new ConsumerCommand.Consume(subscription));
        try
        {
            await OrGiveUpAsync(subscription.Started.Task.AsTask(), $"Consuming queue '{queue}' was given up",
                cancellationToken).ConfigureAwait(false);
            return new AmqpSubscription(subscription);
        }
        catch
        {
            await subscription.StopAsync().ConfigureAwait(false);
            throw;
        }
    }

    private void Forget(Subscription stopped, Action<Exception>? ended)
    {
        _subscriptions.TryRemove(stopped, out _);
        if (stopped.Options.ConsumerTag is { } tag)
            _consumerTags.TryRemove(tag, out _);
        ended?.Invoke(new ObjectDisposedException(nameof(AmqpClient)));
    }

    // When it comes, as whatever ends its consumer returns it, and what that has fetched beside it.
    private void WarnOfReturns(AmqpDelivery delivery)
    {
        const int Few = 5;
        if (delivery.IsRedelivered && ReturnsLeft(delivery) is { } left and <= Few)
            _events.FewReturnsLeft(delivery, left);
    }

    // Null where it may return without end, would be dead-lettered, or nothing is known. Up to RabbitMQ 4.2 each return
    // counts; later ones count fewer, which the header then shows.
    private long? ReturnsLeft(AmqpDelivery delivery)
    {
        AmqpQueue? queue = _topology.QueueNamed(delivery.Queue);
        if (RetryHeaders.Returns(delivery.Message.Headers) is not { } returns
            || queue is { HasDeadLetterExchange: true })
            return null;
        long? limit = queue?.IntegerArgument("x-delivery-limit")
            ?? (_receive.BrokerVersion >= AmqpQueue.RabbitMq4 ? AmqpQueue.DefaultDeliveryLimit : null);
        return limit >= 0 ? limit - returns : null;
    }
}
