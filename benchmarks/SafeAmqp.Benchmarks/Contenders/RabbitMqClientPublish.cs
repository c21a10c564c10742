using RabbitMQ.Client;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>
/// RabbitMQ.Client used directly, with publisher confirmation tracking, over one channel for all callers or one for
/// each.
/// </summary>
internal sealed class RabbitMqClientPublish(bool channelPerCaller) : Contender
{
    internal const string Shared = "RabbitMQ.Client, one channel";
    internal const string PerCaller = "RabbitMQ.Client, a channel per caller";

    // Without a limiter, which is its fastest: the default of 128 begins to delay at 64 callers.
    private static readonly CreateChannelOptions Tracking = new(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true,
        outstandingPublisherConfirmationsRateLimiter: null);

    private IConnection? _connection;
    private IChannel[] _channels = [];
    private Workload _workload = new(1);

    internal override string Name => channelPerCaller ? PerCaller : Shared;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _workload = workload;
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        _channels = new IChannel[channelPerCaller ? workload.Callers : 1];
        for (int i = 0; i < _channels.Length; i++)
            _channels[i] = await _connection.CreateChannelAsync(Tracking);
    }

    // Properties are made for each message: tracking writes into them.
    protected override ValueTask OperateAsync(int caller) => _channels[channelPerCaller ? caller : 0].BasicPublishAsync(
        _workload.Exchange, "k", _workload.Routed,
        new BasicProperties { DeliveryMode = _workload.Routed ? DeliveryModes.Persistent : DeliveryModes.Transient },
        _workload.Body);

    public override async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
    }
}
