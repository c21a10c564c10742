using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>Answers each request with its own body, by RabbitMQ.Client for all contenders, so that the caller's side is what is measured.</summary>
internal sealed class EchoServer : IAsyncDisposable
{
    internal const string Queue = "safeamqp.benchmark.echo";

    private IConnection? _connection;

    internal async Task StartAsync(Uri broker)
    {
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        IChannel channel = await _connection.CreateChannelAsync();
        await channel.QueueDeclareAsync(Queue, durable: false, exclusive: false, autoDelete: true);
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, request) => await channel.BasicPublishAsync("", request.BasicProperties.ReplyTo!, mandatory: false,
            new BasicProperties { CorrelationId = request.BasicProperties.CorrelationId }, request.Body);
        await channel.BasicConsumeAsync(Queue, autoAck: true, consumer);
    }

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
    }
}

internal sealed class SafeAmqpCalls : Contender
{
    private readonly EchoServer _server = new();
    private AmqpClient? _client;
    private AmqpMessage _request = new();

    internal override string Name => "SafeAmqp";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await _server.StartAsync(broker);
        _client = await AmqpClient.ConnectAsync(broker.ToString());
        _request = new AmqpMessage { RoutingKey = EchoServer.Queue, Body = workload.Body, Persistent = false };
    }

    protected override async ValueTask OperateAsync(int caller) => await _client!.CallAsync(_request);

    public override async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        await _server.DisposeAsync();
    }
}

/// <summary>A call as one writes it by hand: an exclusive reply queue, a table of completions, one channel behind a lock, as it may not be shared.</summary>
internal sealed class RabbitMqClientCalls : Contender
{
    internal const string Title = "RabbitMQ.Client, by hand";

    private readonly EchoServer _server = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<byte[]>> _pending = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private IConnection? _connection;
    private IChannel? _channel;
    private string _replyTo = "";
    private byte[] _body = [];

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await _server.StartAsync(broker);
        _body = workload.Body;
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync();
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
        await _turn.WaitAsync();
        try
        {
            await _channel!.BasicPublishAsync("", EchoServer.Queue, mandatory: false, new BasicProperties { CorrelationId = id, ReplyTo = _replyTo }, _body);
        }
        finally
        {
            _turn.Release();
        }
        await call.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    public override async ValueTask DisposeAsync()
    {
        _turn.Dispose();
        if (_connection is not null)
            await _connection.DisposeAsync();
        await _server.DisposeAsync();
    }
}
