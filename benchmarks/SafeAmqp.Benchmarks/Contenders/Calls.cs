using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>Calls to a server that answers each request with its own body.</summary>
/// <param name="server">What answers.</param>
/// <param name="isApart">Whether it is in a process of its own, and not measured; else in this one.</param>
internal abstract class CallContender(Server server, bool isApart) : Contender
{
    private IAsyncDisposable? _server;

    protected Server Server => server;

    /// <summary>A queue of its own, so that one contender is not served by another's server.</summary>
    protected string Queue => $"safeamqp.benchmark.{GetType().Name}.{server}.{(isApart ? "apart" : "here")}";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _server = isApart ? await Companion.ServeAsync(broker, Queue, server)
            : await Servers.StartAsync(broker, Queue, server);
        await ConnectCallerAsync(broker, workload);
    }

    protected abstract Task ConnectCallerAsync(Uri broker, Workload workload);

    public override async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }
}

/// <summary>SafeAmqp's <c>CallAsync</c> with its defaults.</summary>
internal sealed class SafeAmqpCalls(string title, Server server, bool isApart = false) : CallContender(server, isApart)
{
    internal const string BothEnds = "SafeAmqp, both ends";
    internal const string ServerByHand = "SafeAmqp, the server by hand";

    private AmqpClient? _client;
    private AmqpMessage _request = new();

    internal override string Name => title;

    protected override async Task ConnectCallerAsync(Uri broker, Workload workload)
    {
        _client = await AmqpClient.ConnectAsync(broker.ToString());
        _request = new AmqpMessage { RoutingKey = Queue, Body = workload.Body, Persistent = false };
    }

    protected override async ValueTask OperateAsync(int caller) => await _client!.CallAsync(_request);

    public override async ValueTask DisposeAsync()
    {
        if (_client is not null)
            await _client.DisposeAsync();
        await base.DisposeAsync();
    }
}

/// <summary>
/// A call as one writes it by hand: a reply queue or direct reply-to, a table of completions, one channel behind a
/// lock, as it may not be shared. Confirmed and mandatory where its server acknowledges.
/// </summary>
internal sealed class RabbitMqClientCalls(string title, bool isDirect = false, bool isApart = false,
    Server server = Server.ByHand) : CallContender(server, isApart)
{
    internal const string Title = "RabbitMQ.Client, by hand";
    internal const string Direct = "RabbitMQ.Client, both ends by hand, direct reply-to, no confirms, auto-ack";
    internal const string ReplyQueue = "RabbitMQ.Client, both ends by hand, a reply queue, no confirms, auto-ack";
    internal const string Guaranteed =
        "RabbitMQ.Client, both ends by hand, mandatory, confirmed, acknowledged after the reply";

    private const string PseudoQueue = "amq.rabbitmq.reply-to";

    private readonly ConcurrentDictionary<string, TaskCompletionSource<byte[]>> _pending = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private IConnection? _connection;
    private IChannel? _channel;
    private string _replyTo = PseudoQueue;
    private byte[] _body = [];

    internal override string Name => title;

    private bool IsConfirmed => Server == Server.ByHandAcknowledging;

    protected override async Task ConnectCallerAsync(Uri broker, Workload workload)
    {
        _body = workload.Body;
        _connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(IsConfirmed, IsConfirmed));
        if (!isDirect)
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
            confirmed = _channel!.BasicPublishAsync("", Queue, mandatory: IsConfirmed,
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
        await base.DisposeAsync();
    }
}
