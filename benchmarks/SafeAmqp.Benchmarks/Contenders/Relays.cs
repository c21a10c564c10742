using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>The commonest worker: it consumes, publishes a result, awaits the confirm and acknowledges.</summary>
internal abstract class RelayContender : ConsumeContender
{
    protected const string Result = "safeamqp.benchmark.result";

    /// <summary>A worker at a time goes one round trip at a time.</summary>
    protected override int PerSecond => 2_000;
}

/// <param name="concurrency">How many handlers run at once.</param>
internal sealed class SafeAmqpRelay(int concurrency) : RelayContender
{
    private AmqpClient? _client;

    internal override string Name => "SafeAmqp";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await base.ConnectAsync(broker, workload);
        _client = await AmqpClient.ConnectAsync(broker.ToString());
        await _client.DeclareAsync(new AmqpTopology().With(new AmqpExchange { Name = Result, Type = "fanout" }));
    }

    protected override async Task ConsumeAsync(int count)
    {
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int left = count;
        await using AmqpSubscription consumer = await _client!.ConsumeAsync(Queue, async (delivery, lost) =>
        {
            await _client!.PublishAsync(new AmqpMessage
            {
                Exchange = Result,
                Body = delivery.Body,
                Persistent = false,
                Mandatory = false,
            }, lost);
            if (Interlocked.Decrement(ref left) == 0)
                all.TrySetResult();
            return AmqpSettlement.Ack;
        }, new AmqpConsumerOptions { Prefetch = Prefetch, Concurrency = concurrency });
        await all.Task.WaitAsync(TimeSpan.FromMinutes(1));
    }

    public override async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        await base.DisposeAsync();
    }
}

/// <summary>With its own idiom: a channel that consumes, with so many dispatchers, and one that publishes with
/// tracking.</summary>
internal sealed class RabbitMqClientRelay(ushort concurrency) : RelayContender
{
    internal const string Title = "RabbitMQ.Client, confirmed, an ack for each";

    private IConnection? _connection;

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await base.ConnectAsync(broker, workload);
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        await using IChannel channel = await _connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(Result, "fanout", durable: true, autoDelete: false);
    }

    protected override async Task ConsumeAsync(int count)
    {
        await using IChannel publishes = await _connection!.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await using IChannel channel = await _connection.CreateChannelAsync(new CreateChannelOptions(
            publisherConfirmationsEnabled: false, publisherConfirmationTrackingEnabled: false,
            consumerDispatchConcurrency: concurrency));
        await channel.BasicQosAsync(0, Prefetch, global: false);
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int left = count;
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            byte[] body = delivery.Body.ToArray(); // it is gone after the first await
            await publishes.BasicPublishAsync(Result, "", mandatory: false, new BasicProperties(), body);
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
