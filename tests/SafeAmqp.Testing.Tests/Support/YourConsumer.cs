using System.Collections.Concurrent;
using System.Text;

namespace SafeAmqp.Testing.Tests.Support;

/// <summary>A consumer as the readme's reader might have it: RabbitMQ.Client, which reconnects by itself.</summary>
public sealed class YourConsumer : IAsyncDisposable
{
    private readonly IConnection _connection;

    private YourConsumer(IConnection connection) => _connection = connection;

    public ConcurrentQueue<string> Handled { get; } = [];

    public static async Task<YourConsumer> StartAsync(Uri uri, string queue)
    {
        var factory = new ConnectionFactory { Uri = uri, NetworkRecoveryInterval = TimeSpan.FromMilliseconds(50) };
        var consumer = new YourConsumer(await factory.CreateConnectionAsync());
        IChannel channel = await consumer._connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false);
        var receiver = new RabbitMQ.Client.Events.AsyncEventingBasicConsumer(channel);
        receiver.ReceivedAsync += async (_, delivery) =>
        {
            consumer.Handled.Enqueue(Encoding.UTF8.GetString(delivery.Body.Span));
            await channel.BasicAckAsync(delivery.DeliveryTag, false);
        };
        await channel.BasicConsumeAsync(queue, autoAck: false, receiver);
        return consumer;
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
