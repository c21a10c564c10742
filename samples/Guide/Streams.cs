using System.Text;
using SafeAmqp;

namespace Guide;

/// <summary>A log that keeps its messages, for any number of readers.</summary>
public static class Streams
{
    /// <summary>Writes measurements, and reads them twice.</summary>
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        // <declare>
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = "measurements",
            Type = AmqpQueueType.Stream,
            MaxLengthBytes = 1_000_000_000,
        }));
        // </declare>

        // <publish>
        foreach ((string place, int degrees) in new[] { ("roof", 4), ("cellar", 11), ("roof", 5) })
            await amqp.PublishAsync(AmqpMessage.ToQueue("measurements", Encoding.UTF8.GetBytes($"{place} {degrees}"))
                .WithStreamFilterValue(place));
        // </publish>

        // <read>
        var options = new AmqpConsumerOptions { StreamOffset = AmqpStreamOffset.First };
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync("measurements", options))
        {
            say($"{delivery.StreamOffset}: {Encoding.UTF8.GetString(delivery.Body.Span)}");
            if (delivery.StreamOffset == 2)
                break;
        }
        // </read>
    }

    /// <summary>Reads some of them, from where a reader of before has stopped.</summary>
    public static async Task<AmqpSubscription> ReadOnAsync(IAmqpClient amqp, long saved, Action<string> say)
    {
        // <filter>
        AmqpSubscription roof = await amqp.ConsumeAsync("measurements", (delivery, lost) =>
        {
            say($"Roof, {delivery.StreamOffset}: {Encoding.UTF8.GetString(delivery.Body.Span)}");
            return new(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions
        {
            StreamOffset = AmqpStreamOffset.At(saved + 1),
            StreamFilter = ["roof"],
        });
        // </filter>
        return roof;
    }
}
