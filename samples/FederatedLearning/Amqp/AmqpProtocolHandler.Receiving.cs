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
        var backoff = new Backoff(Time);
        for (; ; )
        {
            try
            {
                await DeclareAndConsumeAsync(Stopping);
                await AnnounceStartAsync(Stopping);
                Log.ServerStarted();
                return;
            }
            catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
            {
                return;
            }
            catch (AmqpException error) when (error is not AmqpTopologyException { ReplyCode: not null })
            {
                Log.NotReady(error.Message);
            }
            catch (Exception error)
            {
                // The broker refuses what the server needs: another queue by that name, no permission. No patience
                // helps.
                await FailAsync(error);
                return;
            }

            await backoff.WaitAsync(Stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task DeclareAndConsumeAsync(CancellationToken cancellationToken)
    {
        await _amqp.OpenAsync(cancellationToken);
        await _amqp.DeclareAsync(_names.Shared(), cancellationToken);
        await ConsumeAsync(_names.RegisterQueue, ClientJson.Register, isUnified: false, cancellationToken);
        await ConsumeAsync(_names.UnifiedRegisterQueue, ClientJson.Register, isUnified: true, cancellationToken);
        await ConsumeAsync(_names.UpdateQueue, ClientJson.Update, isUnified: false, cancellationToken);
        await ConsumeAsync(_names.MetricsQueue, ClientJson.Metrics, isUnified: false, cancellationToken);
    }

    // Clients that wait already, of a server before this one, register again.
    private async Task AnnounceStartAsync(CancellationToken cancellationToken)
    {
        var message = new ServerStarted();
        foreach (string? exchange in new[] { _names.Broadcast, _names.Started })
        {
            await _amqp.PublishAsync(ToAll(message) with { Exchange = exchange }, cancellationToken);
            Log.Broadcast(message.MessageType, exchange);
        }
    }

    // Once per queue, however often it is tried.
    private async Task ConsumeAsync(string queue, string kind, bool isUnified, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_consumers.Any(consumer => consumer.Queue == queue))
                return;
        }

        var subscription = await SubscribeAsync(queue, kind, null, isUnified, cancellationToken);
        lock (_lock)
            _consumers.Add(subscription);
    }

    private Task<AmqpSubscription> SubscribeAsync(
        string queue, string kind, ClientId? owner, bool isUnified, CancellationToken cancellationToken)
        => _amqp.ConsumeAsync(queue, async (delivery, lost) =>
        {
            try
            {
                string? refused = await Inbox.TakeAsync(
                    delivery.Body, kind, owner, client => EnterAsync(client, isUnified, lost), lost);
                if (refused is null)
                    return AmqpSettlement.Ack;
                Log.Refused(queue, refused);
                return AmqpSettlement.Reject;
            }
            catch (OperationCanceledException) when (lost.IsCancellationRequested)
            {
                return AmqpSettlement.Requeue; // comes again by itself
            }
        }, Bodies, cancellationToken);

    private async ValueTask EnterAsync(ClientId client, bool isUnified, CancellationToken lost)
    {
        _clients.MakeSureOfRoomFor(client);
        if (isUnified) await DeclareQueuesAsync(client, lost); // also of one that is known: they may be gone meanwhile
        if (_clients.Find(client)?.IsUnified != isUnified)
        {
            var way = new AmqpWay(isUnified, isUnified ? await SubscribeAsync(client, lost) : []);
            await EndAsync(_clients.Set(client, way));
        }

        Log.Registered(client.Value, isUnified ? "queues of its own" : "broadcast");
    }

    private async Task DeclareQueuesAsync(ClientId client, CancellationToken lost)
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
    }

    private async Task<IReadOnlyList<AmqpSubscription>> SubscribeAsync(ClientId client, CancellationToken lost) =>
    [
        await SubscribeAsync(_names.UpdatesOf(client), ClientJson.Update, client, isUnified: true, lost),
        await SubscribeAsync(_names.MetricsOf(client), ClientJson.Metrics, client, isUnified: true, lost),
    ];
}
