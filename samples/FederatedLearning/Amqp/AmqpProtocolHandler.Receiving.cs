using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using SafeAmqp;

namespace FederatedLearning.Amqp;

// From the broker to the core. A delivery is acknowledged when the core has decided about it.
public sealed partial class AmqpProtocolHandler
{
    // Bodies may have 128 MiB each: as many as this are here at once, per queue.
    private static readonly AmqpConsumerOptions Bodies = new() { Prefetch = 2 };

    private async Task ReceiveAsync()
    {
        var backoff = new Backoff(_time);
        for (; ; )
        {
            try
            {
                await DeclareAndConsumeAsync(_stopping.Token);
                await AnnounceAsync(_stopping.Token);
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
                // The broker refuses what the server needs: another queue by that name, no permission. No patience
                // helps.
                _log.Failed(error);
                await _federation!.HandlerFailedAsync(error);
                return;
            }

            await backoff.WaitAsync(_stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task DeclareAndConsumeAsync(CancellationToken cancellationToken)
    {
        await _amqp.OpenAsync(cancellationToken);
        await _amqp.DeclareAsync(_names.Shared(), cancellationToken);
        await ConsumeAsync(
            _names.RegisterQueue,
            (delivery, lost) => RegisterAsync(delivery, isUnified: false, lost),
            cancellationToken);
        await ConsumeAsync(
            _names.UnifiedRegisterQueue,
            (delivery, lost) => RegisterAsync(delivery, isUnified: true, lost),
            cancellationToken);
        await ConsumeAsync(
            _names.UpdateQueue, (delivery, lost) => UpdateAsync(delivery, null, lost), cancellationToken);
        await ConsumeAsync(
            _names.MetricsQueue, (delivery, lost) => MetricsAsync(delivery, null, lost), cancellationToken);
    }

    // Clients that wait already, of a server before this one, register again.
    private async Task AnnounceAsync(CancellationToken cancellationToken)
    {
        var message = new ServerStarted();
        await _amqp.PublishAsync(ToAll(message), cancellationToken);
        _log.Broadcast(message.MessageType, _names.Broadcast);
    }

    // Once per queue, however often it is tried.
    private async Task ConsumeAsync(
        string queue, Func<AmqpDelivery, CancellationToken, ValueTask> take, CancellationToken cancellationToken)
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

    private ValueTask<AmqpSubscription> SubscribeAsync(
        string queue, Func<AmqpDelivery, CancellationToken, ValueTask> take, CancellationToken cancellationToken)
        => _amqp.ConsumeAsync(queue, async (delivery, lost) =>
        {
            try
            {
                _traffic!.Received(delivery.Body.Length);
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
        if (_clients.Find(client)?.IsUnified != isUnified)
        {
            _clients.MakeSureOfRoomFor(client);
            var way = new AmqpWay(isUnified, isUnified ? await ServeByQueuesAsync(client, lost) : []);
            await EndAsync(_clients.Set(client, way));
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
            await SubscribeAsync(
                _names.UpdatesOf(client),
                (delivery, deliveryLost) => UpdateAsync(delivery, client, deliveryLost),
                lost),
            await SubscribeAsync(
                _names.MetricsOf(client),
                (delivery, deliveryLost) => MetricsAsync(delivery, client, deliveryLost),
                lost),
        ];
    }

    private async ValueTask UpdateAsync(AmqpDelivery delivery, ClientId? owner, CancellationToken lost)
    {
        var update = (ClientUpdate)ClientJson.Read(delivery.Body.Span, ClientJson.Update, owner);
        await _federation!.UpdateReceivedAsync(update, lost);
    }

    private async ValueTask MetricsAsync(AmqpDelivery delivery, ClientId? owner, CancellationToken lost)
    {
        var metrics = (ClientMetrics)ClientJson.Read(delivery.Body.Span, ClientJson.Metrics, owner);
        await _federation!.MetricsReceivedAsync(metrics, lost);
    }
}
