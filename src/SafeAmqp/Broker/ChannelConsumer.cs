using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp.Actor;

namespace SafeAmqp.Broker;

/// <summary>What RabbitMQ.Client tells of a consumer: that it was cancelled. That it began, and what it receives, is taken before (<see cref="IncomingFrames"/>).</summary>
internal sealed class ChannelConsumer(IoThread owner, IChannel channel, long incarnation) : IAsyncBasicConsumer
{
    public IChannel Channel => channel;

    public Task HandleBasicConsumeOkAsync(string consumerTag, CancellationToken cancellationToken = default) => Task.CompletedTask;

    public Task HandleBasicDeliverAsync(string consumerTag, ulong deliveryTag, bool redelivered, string exchange, string routingKey,
        IReadOnlyBasicProperties properties, ReadOnlyMemory<byte> body, CancellationToken cancellationToken = default)
        => throw new InvalidOperationException($"A delivery on channel {channel.ChannelNumber} was not taken before RabbitMQ.Client. This is a bug in SafeAmqp.");

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
