using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>Calls with both ends by SafeAmqp, a client for each, in this process: what is measured is both.</summary>
/// <param name="concurrency">How many handlers run at once; 1 is the default.</param>
internal sealed class SafeAmqpBothEnds(int concurrency = 1) : Contender
{
    internal const string Title = "SafeAmqp, both ends";

    private const string Queue = "safeamqp.benchmark.served";

    private AmqpClient? _client;
    private AmqpClient? _server;
    private AmqpMessage _request = new();

    internal override string Name => concurrency == 1 ? Title : TitleOf(concurrency);

    internal static string TitleOf(int concurrency) => $"{Title}, {concurrency} handlers at once";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _server = await AmqpClient.ConnectAsync(broker.ToString());
        await _server.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = Queue }));
        await _server.ServeAsync(Queue,
            (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body, Persistent = false }),
            new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Concurrency = concurrency } });
        _client = await AmqpClient.ConnectAsync(broker.ToString());
        _request = new AmqpMessage { RoutingKey = Queue, Body = workload.Body, Persistent = false };
    }

    protected override async ValueTask OperateAsync(int caller) => await _client!.CallAsync(_request);

    public override async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        if (_server is not null)
            await _server.DisposeAsync();
    }
}

/// <summary>How calls are made by hand.</summary>
internal enum ByHand
{
    /// <summary>Direct reply-to, auto-ack, no confirms: as fast as it goes, and with the fewest promises.</summary>
    Direct,

    /// <summary>An exclusive reply queue, auto-ack, no confirms.</summary>
    ReplyQueue,

    /// <summary>An exclusive reply queue; requests mandatory and confirmed, acknowledged after the reply.</summary>
    Guaranteed,
}

/// <summary>Calls with both ends by hand, a connection for each, in this process; channels behind locks, as they may
/// not be shared.</summary>
internal sealed class RabbitMqClientBothEnds(ByHand way) : Contender
{
    private const string PseudoQueue = "amq.rabbitmq.reply-to";

    private readonly ConcurrentDictionary<string, TaskCompletionSource<byte[]>> _pending = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private IConnection? _connection;
    private IConnection? _serverConnection;
    private IChannel? _channel;
    private string _replyTo = PseudoQueue;
    private byte[] _body = [];

    internal override string Name => TitleOf(way);

    private string Queue => $"safeamqp.benchmark.by-hand.{way}";

    internal static string TitleOf(ByHand way) => way switch
    {
        ByHand.Direct => "RabbitMQ.Client, both ends by hand, direct reply-to, no confirms, auto-ack",
        ByHand.ReplyQueue => "RabbitMQ.Client, both ends by hand, a reply queue, no confirms, auto-ack",
        _ => "RabbitMQ.Client, both ends by hand, mandatory, confirmed, acknowledged after the reply",
    };

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _body = workload.Body;
        var factory = new ConnectionFactory { Uri = broker };
        _serverConnection = await factory.CreateConnectionAsync();
        await ServeAsync(_serverConnection);
        _connection = await factory.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync(Options);
        if (way != ByHand.Direct)
            _replyTo = (await _channel.QueueDeclareAsync()).QueueName;
        var consumer = new AsyncEventingBasicConsumer(_channel);
        consumer.ReceivedAsync += (_, reply) =>
        {
            if (_pending.TryRemove(reply.BasicProperties.CorrelationId ?? "", out TaskCompletionSource<byte[]>? call))
                call.TrySetResult(reply.Body.ToArray());
            return Task.CompletedTask;
        };
        await _channel.BasicConsumeAsync(_replyTo, autoAck: true, consumer);
    }

    protected override async ValueTask OperateAsync(int caller)
    {
        string id = Guid.NewGuid().ToString("N");
        var call = new TaskCompletionSource<byte[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[id] = call;
        Task confirmed;
        await _turn.WaitAsync();
        try
        {
            confirmed = _channel!.BasicPublishAsync("", Queue, mandatory: way == ByHand.Guaranteed,
                new BasicProperties { CorrelationId = id, ReplyTo = _replyTo }, _body).AsTask();
        }
        finally
        {
            _turn.Release();
        }
        await confirmed;
        await call.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    public override async ValueTask DisposeAsync()
    {
        _turn.Dispose();
        if (_connection is not null)
            await _connection.DisposeAsync();
        if (_serverConnection is not null)
            await _serverConnection.DisposeAsync();
    }

    private CreateChannelOptions Options => new(way == ByHand.Guaranteed, way == ByHand.Guaranteed);

    private async Task ServeAsync(IConnection connection)
    {
        IChannel channel = await connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(Queue, durable: true, exclusive: false, autoDelete: true);
        await channel.BasicQosAsync(0, 100, global: false);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, request) =>
        {
            await channel.BasicPublishAsync("", request.BasicProperties.ReplyTo!, mandatory: false,
                new BasicProperties { CorrelationId = request.BasicProperties.CorrelationId }, request.Body);
            if (way == ByHand.Guaranteed)
                await channel.BasicAckAsync(request.DeliveryTag, multiple: false);
        };
        await channel.BasicConsumeAsync(Queue, autoAck: way != ByHand.Guaranteed, consumer);
    }
}
