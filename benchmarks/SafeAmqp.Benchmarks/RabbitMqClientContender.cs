using RabbitMQ.Client;

namespace SafeAmqp.Benchmarks;

/// <summary>RabbitMQ.Client used directly, with publisher confirmation tracking, over one channel for all callers or one for each.</summary>
internal sealed class RabbitMqClientContender(bool channelPerCaller) : Contender
{
    // Without a limiter, which is the client's fastest; its default of 128 starts to delay at 64 callers.
    private static readonly CreateChannelOptions Tracking = new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true,
        outstandingPublisherConfirmationsRateLimiter: null);

    private IConnection? _connection;
    private IChannel[] _channels = [];

    internal override string Name => channelPerCaller ? "RabbitMQ.Client, a channel per caller" : "RabbitMQ.Client, one shared channel";

    /// <summary>RabbitMQ's default for the channels of a connection is 2,047.</summary>
    internal override int MaxCallers => channelPerCaller ? 2000 : int.MaxValue;

    internal override async Task ConnectAsync(Uri broker, int callers)
    {
        var factory = new ConnectionFactory { Uri = broker };
        _connection = await factory.CreateConnectionAsync();
        _channels = new IChannel[channelPerCaller ? callers : 1];
        for (int i = 0; i < _channels.Length; i++)
            _channels[i] = await _connection.CreateChannelAsync(Tracking);
        await _channels[0].ExchangeDeclareAsync(Exchange, ExchangeType.Direct, durable: false, autoDelete: false);
    }

    // With a channel for all, properties cannot be shared between callers: tracking writes into them.
    internal override ValueTask PublishAsync(int caller) => channelPerCaller
        ? _channels[caller].BasicPublishAsync(Exchange, "k", mandatory: false, new BasicProperties(), Body)
        : _channels[0].BasicPublishAsync(Exchange, "k", mandatory: false, new BasicProperties(), Body);

    public override async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
    }
}
