using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Benchmarks.Contenders;

internal sealed class SafeAmqpCalls : Contender
{
    private const string Queue = "safeamqp.benchmark.echo";

    private Companion? _server;
    private AmqpClient? _client;
    private AmqpMessage _request = new();

    internal override string Name => "SafeAmqp";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _server = await Companion.EchoAsync(broker, Queue);
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

/// <summary>
/// A call as one writes it by hand: an exclusive reply queue, a table of completions, one channel behind a lock, as it
/// may not be shared.
/// </summary>
internal sealed class RabbitMqClientCalls : Contender
{
    internal const string Title = "RabbitMQ.Client, by hand";

    private const string Queue = "safeamqp.benchmark.echo-by-hand";

    private readonly ConcurrentDictionary<string, TaskCompletionSource<byte[]>> _pending = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private Companion? _server;
    private IConnection? _connection;
    private IChannel? _channel;
    private string _replyTo = "";
    private byte[] _body = [];

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _server = await Companion.EchoAsync(broker, Queue);
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
            await _channel!.BasicPublishAsync(
                "", Queue, mandatory: false, new BasicProperties { CorrelationId = id, ReplyTo = _replyTo }, _body);
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
        if (_server is not null)
            await _server.DisposeAsync();
    }
}
