using SafeAmqp.Actor;
using SafeAmqp.Consuming;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    /// <inheritdoc/>
    public ValueTask<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler,
        AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
        => ConsumeAsync(queue, handler, options, ended: null, DeliveryUse.Handler, cancellationToken);

    /// <summary>Consumes, and calls back when the consumer has stopped for whatever reason.</summary>
    internal async ValueTask<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler,
        AmqpConsumerOptions? options, Action<Exception>? ended, DeliveryUse use, CancellationToken cancellationToken)
    {
        Check.Name(queue, nameof(queue));
        ArgumentNullException.ThrowIfNull(handler);
        options = (options ?? AmqpConsumerOptions.Default).Validated();
        Start();
        // Disposal drains consumers first: none begins then
        ObjectDisposedException.ThrowIf(_disposal is not null, this);
        var runner = new HandlerRunner(this, handler, _logger, _throttle, _observer, use);
        var subscription = new Subscription(queue, options, _receive.Thread, runner.RunAsync)
        {
            Observer = _observer,
            TakesTooLarge = use is DeliveryUse.Request or DeliveryUse.Reply,
            Stopped = s =>
            {
                _subscriptions.TryRemove(s, out _);
                ended?.Invoke(new ObjectDisposedException(nameof(AmqpClient)));
            },
        };
        _subscriptions.TryAdd(subscription, true);
        _ = subscription.EndWhenPoisonedAsync(ended);
        _receive.Thread.PostOrAbandon(new ConsumerCommand.Consume(subscription));
        try
        {
            await subscription.Started.Task.AsTask().WaitAsync(cancellationToken).ConfigureAwait(false);
            return new AmqpSubscription(subscription);
        }
        catch
        {
            await subscription.StopAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<AmqpDelivery> ReadAllAsync(string queue, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Check.Name(queue, nameof(queue));
        options = (options ?? AmqpConsumerOptions.Default).Validated();
        if (options.Concurrency != 1)
            throw new ArgumentException("Concurrency must be 1: a sequence is read by one loop.", nameof(options));
        return DeliverySequence.ReadAllAsync(
            (handler, ended, cancelled) => ConsumeAsync(queue, handler, options, ended, DeliveryUse.PassedOn,
                cancelled),
            _observer, cancellationToken);
    }
}
