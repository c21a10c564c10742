using FederatedLearning.Messages;
using SafeAmqp;

namespace FederatedLearning.Amqp;

// From the broker to the core. A delivery is acknowledged when the core has decided about it.
public sealed partial class AmqpProtocolHandler
{
    // Bodies may have 128 MiB each: as many as this are here at once, per queue.
    private static readonly AmqpConsumerOptions Bodies = new() { Prefetch = 2 };

    private async Task ReceiveAsync()
    {
        for (; ; )
        {
            try
            {
                await DeclareAndConsumeAsync(_stopping.Token);
                _log.ServerStarted();
                return;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (AmqpException error) when (error is not AmqpTopologyException { ReplyCode: not null })
            {
                _log.NotReady(error.Message);
            }
            catch (Exception error)
            {
                // The broker refuses what the server needs: another queue by that name, no permission. No patience helps.
                _log.Failed(error);
                await _federation!.HandlerFailedAsync(error);
                return;
            }

            await Task.Delay(TryAgainAfter, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task DeclareAndConsumeAsync(CancellationToken cancellationToken)
    {
        await _amqp.OpenAsync(cancellationToken);
        await _amqp.DeclareAsync(_names.Shared(), cancellationToken);
        await ConsumeAsync(_names.RegisterQueue, (delivery, lost) => RegisterAsync(delivery, isUnified: false, lost), cancellationToken);
        await ConsumeAsync(_names.UnifiedRegisterQueue, (delivery, lost) => RegisterAsync(delivery, isUnified: true, lost), cancellationToken);
        await ConsumeAsync(_names.UpdateQueue, (delivery, lost) => UpdateAsync(delivery, null, lost), cancellationToken);
        await ConsumeAsync(_names.MetricsQueue, (delivery, lost) => MetricsAsync(delivery, null, lost), cancellationToken);
    }

    // Once per queue, however often it is tried.
    private async Task ConsumeAsync(string queue, Func<AmqpDelivery, CancellationToken, ValueTask> take, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_consumers.Any(consumer => consumer.Queue == queue))
                return;
        }

        var subscription = await SubscribeAsync(queue, take, cancellationToken);
        lock (_lock)
            _consumers.Add(subscription);
    }

    private ValueTask<AmqpSubscription> SubscribeAsync(string queue, Func<AmqpDelivery, CancellationToken, ValueTask> take, CancellationToken cancellationToken)
        => _amqp.ConsumeAsync(queue, async (delivery, lost) =>
        {
            try
            {
                await take(delivery, lost);
                return AmqpSettlement.Ack;
            }
            catch (MessageRefusedException refused)
            {
                _log.Refused(queue, refused.Message);
                await _federation!.MessageRefusedAsync(refused.Client, refused.Message, lost);
                return AmqpSettlement.Reject;
            }
            catch (OperationCanceledException) when (lost.IsCancellationRequested)
            {
                return AmqpSettlement.Requeue; // comes again by itself
            }
        }, Bodies, cancellationToken);

    private async ValueTask RegisterAsync(AmqpDelivery delivery, bool isUnified, CancellationToken lost)
    {
        var registration = ClientJson.ReadRegistration(delivery.Body.Span);
        var client = registration.Client;
        if (_clients.IsUnified(client) != isUnified)
        {
            _clients.MakeSureOfRoomFor(client);
            var consumers = isUnified ? await ServeByQueuesAsync(client, lost) : [];
            await Task.WhenAll(_clients.Set(client, isUnified, consumers).Select(consumer => consumer.DisposeAsync().AsTask()));
        }

        _log.Registered(client.Value, isUnified ? "queues of its own" : "broadcast");
        await _federation!.ClientRegisteredAsync(registration, lost);
    }

    private async ValueTask<IReadOnlyList<AmqpSubscription>> ServeByQueuesAsync(ClientId client, CancellationToken lost)
    {
        try
        {
            await _amqp.DeclareAsync(_names.Unified(client), lost);
        }
        catch (AmqpTopologyException refused) when (refused.ReplyCode is not null)
        {
            // Something else has one of its names. It would be refused again and again.
            throw new MessageRefusedException($"the queues of the client cannot be declared: {refused.Entity}", client);
        }

        return
        [
            await SubscribeAsync(_names.UpdatesOf(client), (delivery, deliveryLost) => UpdateAsync(delivery, client, deliveryLost), lost),
            await SubscribeAsync(_names.MetricsOf(client), (delivery, deliveryLost) => MetricsAsync(delivery, client, deliveryLost), lost),
        ];
    }

    private async ValueTask UpdateAsync(AmqpDelivery delivery, ClientId? owner, CancellationToken lost)
    {
        var update = Read(ClientJson.ReadUpdate, delivery, owner);
        await _federation!.UpdateReceivedAsync(update, lost);
    }

    private async ValueTask MetricsAsync(AmqpDelivery delivery, ClientId? owner, CancellationToken lost)
    {
        var metrics = Read(ClientJson.ReadMetrics, delivery, owner);
        await _federation!.MetricsReceivedAsync(metrics, lost);
    }

    private delegate T Reader<out T>(ReadOnlySpan<byte> json);

    // On a queue of one client only that client speaks; a message that cannot be read is its, too.
    private static T Read<T>(Reader<T> read, AmqpDelivery delivery, ClientId? owner) where T : ClientMessage
    {
        T message;
        try
        {
            message = read(delivery.Body.Span);
        }
        catch (MessageRefusedException refused) when (refused.Client is null && owner is not null)
        {
            throw new MessageRefusedException(refused.Message, owner);
        }

        return owner is null || message.Client == owner
            ? message
            : throw new MessageRefusedException($"client_id is {message.Client}, but this is a queue of client {owner}", owner);
    }
}
