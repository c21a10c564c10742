using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp.Actor;

namespace SafeAmqp.Broker;

/// <summary>
/// Takes RabbitMQ.Client's deliveries and posts them, stamped. Runs on RabbitMQ.Client's dispatcher, one call at a time and in the order of
/// arrival. The body is copied here, as it is valid only inside the call.
/// </summary>
internal sealed class ChannelConsumer(IoThread owner, IChannel channel, long incarnation) : IAsyncBasicConsumer
{
    private string? _tag;

    public IChannel Channel => channel;

    internal string? Tag => Volatile.Read(ref _tag);

    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default)
    {
        Volatile.Write(ref _tag, consumerTag);
        return Post(new BrokerSignal.ConsumerStarted(incarnation));
    }

    public Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
        IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        => Post(new BrokerSignal.Delivered(incarnation, deliveryTag, redelivered,
            MessageProperties.ToMessage(exchange, routingKey, properties, body.ToArray())));

    public Task HandleBasicCancelAsync(string consumerTag, CancellationToken cancellationToken = default)
        => Post(new BrokerSignal.ConsumerCancelled(incarnation, byBroker: true));

    public Task HandleBasicCancelOkAsync(string consumerTag, CancellationToken cancellationToken = default)
        => Post(new BrokerSignal.ConsumerCancelled(incarnation, byBroker: false));

    // The channel's own event says so.
    public Task HandleChannelShutdownAsync(object channel, ShutdownEventArgs reason) => Task.CompletedTask;

    private Task Post(BrokerSignal signal)
    {
        owner.Post(signal);
        return Task.CompletedTask;
    }
}
