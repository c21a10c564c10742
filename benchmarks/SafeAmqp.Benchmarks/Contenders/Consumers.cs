using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>Consumes and acknowledges a queue that was filled before: only the taking is measured.</summary>
internal abstract class ConsumeContender : Contender
{
    protected const int Prefetch = 1000;
    protected const string Queue = "safeamqp.benchmark.consume";

    /// <summary>Messages per second of the asked duration: some, so that a round takes about as long.</summary>
    protected virtual int PerSecond => 20_000;

    private AmqpClient? _filler;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _filler = await AmqpClient.ConnectAsync(broker.ToString());
        await _filler.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = Queue }));
    }

    internal override async Task<Measurement> MeasureAsync(Workload workload, TimeSpan duration)
    {
        int count = (int)(PerSecond * duration.TotalSeconds);
        var message = new AmqpMessage { RoutingKey = Queue, Body = workload.Body, Persistent = false };
        await _filler!.PublishAllAsync([.. Enumerable.Repeat(message, count)]);
        return await Meter.MeasureAsync(async () =>
        {
            await ConsumeAsync(count);
            return count;
        });
    }

    /// <summary>Ends when so many messages were consumed and their acknowledgements are on the way.</summary>
    protected abstract Task ConsumeAsync(int count);

    protected override ValueTask OperateAsync(int caller) => throw new NotSupportedException("It has no callers.");

    public override async ValueTask DisposeAsync()
    {
        if (_filler is not null)
            await _filler.DisposeAsync();
    }
}

internal sealed class SafeAmqpConsume : ConsumeContender
{
    private AmqpClient? _client;

    internal override string Name => "SafeAmqp";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await base.ConnectAsync(broker, workload);
        _client = await AmqpClient.ConnectAsync(broker.ToString());
    }

    protected override async Task ConsumeAsync(int count)
    {
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int left = count;
        await using AmqpSubscription consumer = await _client!.ConsumeAsync(Queue, (_, _) =>
        {
            if (Interlocked.Decrement(ref left) == 0)
                all.TrySetResult();
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { Prefetch = Prefetch });
        await all.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    public override async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        await base.DisposeAsync();
    }
}

internal sealed class RabbitMqClientConsume : ConsumeContender
{
    internal const string Title = "RabbitMQ.Client, an ack for each";

    private IConnection? _connection;

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await base.ConnectAsync(broker, workload);
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
    }

    protected override async Task ConsumeAsync(int count)
    {
        await using IChannel channel = await _connection!.CreateChannelAsync();
        await channel.BasicQosAsync(0, Prefetch, global: false);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int left = count;
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            _ = delivery.Body.ToArray(); // as a handler that keeps its body must
            await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false);
            if (Interlocked.Decrement(ref left) == 0)
                all.TrySetResult();
        };
        await channel.BasicConsumeAsync(Queue, autoAck: false, consumer);
        await all.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    public override async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
        await base.DisposeAsync();
    }
}
