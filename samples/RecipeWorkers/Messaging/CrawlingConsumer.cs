using RecipeWorkers.Crawling;
using SafeAmqp;

namespace RecipeWorkers.Messaging;

/// <summary>
/// Does crawling jobs: progress and results go to the fixed response queue, a request that cannot be read goes away.
/// </summary>
internal sealed class CrawlingConsumer(
    IAmqpClient amqp, WorkerSettings settings, CrawlingRequestHandler crawling, ILogger<CrawlingConsumer> log)
    : IAmqpConsumer
{
    public async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
    {
        try
        {
            await crawling.HandleAsync(delivery.Body, update => SendAsync(update, deliveryLost), deliveryLost);
            return AmqpSettlement.Ack;
        }
        catch (UnparsableRequestException error)
        {
            log.Unparsable(delivery.Queue, delivery.Body.Length, error.Message);
            return AmqpSettlement.Reject;
        }
        catch (AmqpException error)
        {
            log.UpdateNotSent(error);
            return SendFailure.SettlementOf(error);
        }
    }

    // Awaited until the broker has it: the request is acknowledged only after its result is safe, and updates keep
    // their order.
    private ValueTask SendAsync(ReadOnlyMemory<byte> update, CancellationToken cancellationToken)
        => amqp.PublishAsync(
            AmqpMessage.ToQueue(settings.CrawlingResponseQueue, update) with { ContentType = "application/json" },
            cancellationToken);
}
