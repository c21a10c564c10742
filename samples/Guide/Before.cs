using System.Text;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Guide;

/// <summary>A publisher and a consumer with RabbitMQ.Client 7.</summary>
public static class Before
{
    /// <summary>Runs both, until the letter was read.</summary>
    public static async Task RunAsync(Uri uri, Action<string> say, Task read)
    {
        // <before>
        var factory = new ConnectionFactory { Uri = uri };
        await using IConnection connection = await factory.CreateConnectionAsync();
        await using IChannel channel = await connection.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await channel.QueueDeclareAsync("letters", durable: true, exclusive: false, autoDelete: false);

        await channel.BasicQosAsync(0, 100, false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, letter) =>
        {
            say($"Read {Encoding.UTF8.GetString(letter.Body.Span)}");
            await channel.BasicAckAsync(letter.DeliveryTag, multiple: false);
        };
        await channel.BasicConsumeAsync("letters", autoAck: false, consumer);

        await channel.BasicPublishAsync("", "letters", mandatory: true,
            new BasicProperties { Persistent = true }, Encoding.UTF8.GetBytes("a letter"));
        // </before>
        await read;
    }
}
