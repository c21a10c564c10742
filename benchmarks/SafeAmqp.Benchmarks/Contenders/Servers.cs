using MassTransit;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>What answers calls.</summary>
internal enum Server
{
    /// <summary>RabbitMQ.Client, auto-ack, no confirms: as fast as it goes, and with the fewest promises.</summary>
    ByHand,

    /// <summary>RabbitMQ.Client, each request acknowledged after its reply.</summary>
    ByHandAcknowledging,

    /// <summary><c>ServeAsync</c> with its defaults.</summary>
    SafeAmqp,

    /// <summary><c>ServeAsync</c> with 16 handlers at once.</summary>
    SafeAmqpOf16,

    /// <summary>A consumer of MassTransit.</summary>
    MassTransit,
}

/// <summary>Starts servers that answer each request with its own body, on a connection of their own.</summary>
internal static class Servers
{
    internal static async Task<IAsyncDisposable> StartAsync(Uri broker, string queue, Server server) => server switch
    {
        Server.ByHand or Server.ByHandAcknowledging
            => await ByHandAsync(broker, queue, acknowledges: server == Server.ByHandAcknowledging),
        Server.MassTransit => await MassTransitCalls.ServeAsync(broker, queue),
        _ => await SafeAmqpAsync(broker, queue, server == Server.SafeAmqpOf16 ? 16 : 1),
    };

    private static async Task<IAsyncDisposable> SafeAmqpAsync(Uri broker, string queue, int concurrency)
    {
        AmqpClient client = await AmqpClient.ConnectAsync(broker.ToString());
        await client.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, AutoDelete = true }));
        await client.ServeAsync(queue,
            (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body, Persistent = false }),
            new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Concurrency = concurrency } });
        return client;
    }

    private static async Task<IAsyncDisposable> ByHandAsync(Uri broker, string queue, bool acknowledges)
    {
        IConnection connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        IChannel channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: true);
        await channel.BasicQosAsync(0, 100, global: false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, request) =>
        {
            await channel.BasicPublishAsync("", request.BasicProperties.ReplyTo!, mandatory: false,
                new BasicProperties { CorrelationId = request.BasicProperties.CorrelationId }, request.Body);
            if (acknowledges)
                await channel.BasicAckAsync(request.DeliveryTag, multiple: false);
        };
        await channel.BasicConsumeAsync(queue, autoAck: !acknowledges, consumer);
        return connection;
    }
}

/// <summary>MassTransit's request client and consumer, a bus for each: their envelopes are part of it.</summary>
internal sealed class MassTransitCalls(bool isApart = false) : CallContender(Server.MassTransit, isApart)
{
    internal static readonly string Title =
        $"MassTransit {VersionOf(typeof(IBus))}, request client and consumer";

    private IBusControl? _bus;
    private IRequestClient<BenchmarkMessage>? _requests;
    private BenchmarkMessage _message = new([]);

    internal override string Name => Title;

    internal static async Task<IAsyncDisposable> ServeAsync(Uri broker, string queue)
    {
        IBusControl bus = MassTransitPublish.Bus(broker, bus => bus.ReceiveEndpoint(queue, endpoint =>
        {
            endpoint.PrefetchCount = 100;
            endpoint.Handler<BenchmarkMessage>(request => request.RespondAsync(new BenchmarkReply(
                request.Message.Payload)));
        }));
        await bus.StartAsync();
        return new Stopping(bus);
    }

    protected override async Task ConnectCallerAsync(Uri broker, Workload workload)
    {
        _message = new BenchmarkMessage(workload.Body);
        _bus = MassTransitPublish.Bus(broker);
        await _bus.StartAsync();
        _requests = _bus.CreateRequestClient<BenchmarkMessage>(new Uri($"exchange:{Queue}"));
    }

    protected override async ValueTask OperateAsync(int caller)
        => await _requests!.GetResponse<BenchmarkReply>(_message);

    public override async ValueTask DisposeAsync()
    {
        if (_bus is not null)
            await _bus.StopAsync();
        await base.DisposeAsync();
    }

    private sealed class Stopping(IBusControl bus) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await bus.StopAsync();
    }
}
