using RecipeWorkers.Analysis;
using SafeAmqp;

namespace RecipeWorkers.Messaging;

/// <summary>
/// Answers analysis requests: each answer goes to its request's <c>reply_to</c> with its <c>correlation_id</c>.
/// Consumes and publishes by hand, for on this wire a failure is an answer ({"success":false}), and a request that
/// cannot be read gets none at all.
/// </summary>
internal sealed class AnalysisConsumer(IAmqpClient amqp, AnalysisRequestHandler analysis, ILogger<AnalysisConsumer> log)
    : IAmqpConsumer
{
    public async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
    {
        ReadOnlyMemory<byte> answer;
        try
        {
            answer = await analysis.HandleAsync(delivery.Body, deliveryLost);
        }
        catch (UnparsableRequestException error)
        {
            log.Unparsable(delivery.Queue, delivery.Body.Length, error.Message);
            return AmqpSettlement.Reject;
        }

        if (delivery.Message.ReplyTo is not { Length: > 0 } replyTo)
        {
            log.NoReplyAddress(delivery.Queue);
            return AmqpSettlement.Ack; // the work is done, and no reply was asked for
        }

        return await SendAsync(replyTo, delivery.Message.CorrelationId, answer, deliveryLost);
    }

    private async ValueTask<AmqpSettlement> SendAsync(
        string replyTo, string? correlationId, ReadOnlyMemory<byte> answer, CancellationToken deliveryLost)
    {
        try
        {
            await amqp.PublishAsync(AmqpMessage.ToQueue(replyTo, answer) with
            {
                CorrelationId = correlationId,
                ContentType = "application/json",
                Persistent = false, // the queue it goes to ends with its connection
            }, deliveryLost);
            log.Answered(correlationId);
            return AmqpSettlement.Ack;
        }
        catch (AmqpReturnedException)
        {
            log.NoLongerAwaited(correlationId);
            return AmqpSettlement.Ack; // the caller is gone, and so is its queue
        }
        catch (AmqpException error)
        {
            log.AnswerNotSent(correlationId, error);
            return SendFailure.SettlementOf(error);
        }
    }
}
