using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>Consumes and acknowledges a queue that was filled before: only the taking is measured. A relay is the
/// commonest worker: it also publishes a result and awaits the confirm before it acknowledges.</summary>
/// <param name="isRelay">Whether it is a relay.</param>
internal abstract class ConsumeContender(bool isRelay) : Contender
{
    protected const int Prefetch = 1000;
    protected const string Queue = "safeamqp.benchmark.consume";
    protected const string Result = "safeamqp.benchmark.result";

    private AmqpClient? _filler;

    protected bool IsRelay => isRelay;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _filler = await AmqpClient.ConnectAsync(broker.ToString());
        await _filler.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = Queue })
            .With(new AmqpExchange { Name = Result, Type = AmqpExchangeType.Fanout }));
    }

    internal override async Task<Measurement> MeasureAsync(Workload workload, TimeSpan duration)
    {
        // So many that a round takes about as long as was asked for: a relay may go one round trip at a time
        int count = (int)((isRelay ? 2_000 : 20_000) * duration.TotalSeconds);
        var message = new AmqpMessage { RoutingKey = Queue, Body = workload.Body, Persistent = false };
        await _filler!.PublishAllAsync([.. Enumerable.Repeat(message, count)]);
        return await Meter.MeasureAsync(async () =>
        {
            var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            int left = count;
            await using IAsyncDisposable consumer = await ConsumeAsync(() =>
            {
                if (Interlocked.Decrement(ref left) == 0)
                    all.TrySetResult();
            });
            await all.Task.WaitAsync(TimeSpan.FromMinutes(1));
            return count;
        });
    }

    /// <summary>Begins to consume, and calls back with each message whose acknowledgement is on the way.</summary>
    protected abstract Task<IAsyncDisposable> ConsumeAsync(Action done);

    protected override ValueTask OperateAsync(int caller) => throw new NotSupportedException("It has no callers.");

    public override async ValueTask DisposeAsync()
    {
        if (_filler is not null)
            await _filler.DisposeAsync();
    }
}

/// <param name="isRelay">Whether it publishes a result of each.</param>
/// <param name="concurrency">How many handlers run at once.</param>
internal sealed class SafeAmqpConsume(bool isRelay = false, int concurrency = 1) : ConsumeContender(isRelay)
{
    private AmqpClient? _client;

    internal override string Name => "SafeAmqp";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await base.ConnectAsync(broker, workload);
        _client = await AmqpClient.ConnectAsync(broker.ToString());
    }

    protected override async Task<IAsyncDisposable> ConsumeAsync(Action done)
    {
        AmqpHandler relay = async (delivery, lost) =>
        {
            await _client!.PublishAsync(new AmqpMessage
            {
                Exchange = Result,
                Body = delivery.Body,
                Persistent = false,
                Mandatory = false,
            }, lost);
            done();
            return AmqpSettlement.Ack;
        };
        AmqpHandler take = (_, _) =>
        {
            done();
            return ValueTask.FromResult(AmqpSettlement.Ack);
        };
        return await _client!.ConsumeAsync(Queue, IsRelay ? relay : take,
            new AmqpConsumerOptions { Prefetch = Prefetch, Concurrency = concurrency });
    }

    public override async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        await base.DisposeAsync();
    }
}

/// <summary>With its own idiom: a channel that consumes, with so many dispatchers, and for a relay one that publishes
/// with tracking.</summary>
internal sealed class RabbitMqClientConsume(bool isRelay = false, ushort concurrency = 1) : ConsumeContender(isRelay)
{
    internal const string Title = "RabbitMQ.Client, an ack for each";
    internal const string RelayTitle = "RabbitMQ.Client, confirmed, an ack for each";

    private IConnection? _connection;

    internal override string Name => IsRelay ? RelayTitle : Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await base.ConnectAsync(broker, workload);
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
    }

    protected override async Task<IAsyncDisposable> ConsumeAsync(Action done)
    {
        IChannel? publishes = IsRelay ? await _connection!.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)) : null;
        IChannel channel = await _connection!.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false,
            consumerDispatchConcurrency: concurrency));
        await channel.BasicQosAsync(0, Prefetch, global: false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            byte[] body = delivery.Body.ToArray(); // it is gone after the first await
            if (publishes is not null)
                await publishes.BasicPublishAsync(Result, "", mandatory: false, new BasicProperties(), body);
            await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
            done();
        };
        await channel.BasicConsumeAsync(Queue, autoAck: false, consumer);
        return new Consuming(channel, publishes);
    }

    public override async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
        await base.DisposeAsync();
    }

    private sealed class Consuming(IChannel channel, IChannel? publishes) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await channel.DisposeAsync();
            if (publishes is not null)
                await publishes.DisposeAsync();
        }
    }
}
