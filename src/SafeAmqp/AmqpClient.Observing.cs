using System.Runtime.CompilerServices;
using SafeAmqp.Telemetry;

namespace SafeAmqp;

// The verbs as they are watched, while somebody listens: around the others, on the caller's side.
public sealed partial class AmqpClient
{
    private readonly ClientObserver _observer;

    internal ClientObserver Observer => _observer;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask PublishObservedAsync(AmqpMessage message, CancellationToken cancellationToken)
    {
        ClientObserver.Sending sending = _observer.Begin(Operation.Publish, message);
        try
        {
            await PublishUnobservedAsync(sending.Message, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            sending.Failed(error);
            throw;
        }
        sending.Confirmed();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask PostObservedAsync(AmqpMessage message, CancellationToken cancellationToken)
    {
        ClientObserver.Sending sending = _observer.Begin(Operation.Publish, message);
        try
        {
            await PostUnobservedAsync(sending.Message, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            sending.Failed(error);
            throw;
        }
        sending.HandedOver();
    }

    private async ValueTask<IReadOnlyList<AmqpPublishResult>> PublishAllObservedAsync(IReadOnlyList<AmqpMessage> messages, CancellationToken cancellationToken)
    {
        ClientObserver.SendingBatch sending = _observer.BeginBatch(messages);
        try
        {
            var results = await PublishAllUnobservedAsync(sending.Messages, cancellationToken).ConfigureAwait(false);
            sending.Ended(results);
            return results;
        }
        catch (Exception error)
        {
            sending.Failed(error);
            throw;
        }
    }

    private async ValueTask<AmqpReply> CallObservedAsync(AmqpMessage request, AmqpCallOptions options, CancellationToken cancellationToken)
    {
        ClientObserver.Sending sending = _observer.Begin(Operation.Call, request);
        try
        {
            AmqpReply reply = await CallUnobservedAsync(sending.Message, options, cancellationToken).ConfigureAwait(false);
            sending.Replied(reply.Message);
            return reply;
        }
        catch (Exception error)
        {
            sending.Failed(error);
            throw;
        }
    }
}
