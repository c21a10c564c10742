using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace SafeAmqp.Testing.Tests.Support;

/// <summary>
/// One run of a case against one broker: names of its own, and a list of what it observed in terms that both brokers
/// share.
/// </summary>
public sealed class Stage(Uri uri) : IAsyncDisposable
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly string _id = "t" + Guid.NewGuid().ToString("N")[..10];
    private readonly List<IConnection> _connections = [];
    private readonly List<string> _notes = [];
    private readonly HashSet<string> _durable = [];

    public Uri Uri => uri;

    public IReadOnlyList<string> Notes => _notes;

    /// <summary>
    /// A connection and channel that every case has; a publish on the channel waits for its confirm, so that the next
    /// step sees it.
    /// </summary>
    public IConnection Connection { get; private set; } = null!;

    public IChannel Channel { get; private set; } = null!;

    /// <summary>A queue name of this run.</summary>
    public string Q => Name("q");

    /// <summary>An exchange name of this run.</summary>
    public string X => Name("x");

    public string Name(string part) => $"{_id}.{part}";

    public void Note(object? value)
        => _notes.Add(Plain(Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null"));

    /// <summary>Names of this run look the same in every run.</summary>
    public string Plain(string text) => text.Replace(_id, "T", StringComparison.Ordinal);

    public async Task OpenAsync()
    {
        Connection = await ConnectAsync();
        Channel = await NewChannelAsync(confirms: true);
    }

    public async Task<IConnection> ConnectAsync(Action<ConnectionFactory>? configure = null)
    {
        var factory = new ConnectionFactory
        {
            HostName = uri.Host,
            Port = uri.Port,
            UserName = "guest",
            Password = "guest",
            VirtualHost = uri.AbsolutePath.Length > 1 ? Uri.UnescapeDataString(uri.AbsolutePath[1..]) : "/",
            AutomaticRecoveryEnabled = false,
            TopologyRecoveryEnabled = false,
            ContinuationTimeout = Limit,
        };
        configure?.Invoke(factory);
        IConnection connection = await factory.CreateConnectionAsync(Name("connection"));
        _connections.Add(connection);
        return connection;
    }

    public Task<IChannel> NewChannelAsync(bool confirms = false) =>
        Connection.CreateChannelAsync(
            new CreateChannelOptions(confirms, publisherConfirmationTrackingEnabled: confirms));

    /// <summary>Does something and notes how it ended: <c>ok</c>, or the reply code and text.</summary>
    public async Task TryAsync(Func<Task> action)
    {
        try
        {
            await action().WaitAsync(Limit);
            Note("ok");
        }
        catch (Exception error)
        {
            Note(Reason(error));
        }
    }

    /// <summary>
    /// As <see cref="TryAsync(Func{Task})"/>, on the channel of the stage, which is replaced when it died of it.
    /// </summary>
    public async Task TryAsync(Func<IChannel, Task> action)
    {
        await TryAsync(() => action(Channel));
        if (!Connection.IsOpen)
            Connection = await ConnectAsync();
        if (!Channel.IsOpen)
            Channel = await NewChannelAsync(confirms: true);
    }

    /// <summary>Notes why the broker closes a channel after something that has no answer.</summary>
    public async Task ClosedByAsync(Func<IChannel, Task> action)
    {
        IChannel channel = await Connection.CreateChannelAsync();
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        channel.ChannelShutdownAsync += (_, reason) => Task.FromResult(closed.TrySetResult(reason));
        await action(channel);
        ShutdownEventArgs why = await closed.Task.WaitAsync(Limit);
        Note(Show(why));
    }

    public Task DeclareAsync(string? queue = null, IDictionary<string, object?>? arguments = null, bool durable = false)
    {
        if (durable)
            _durable.Add(queue ?? Q);
        return Channel.QueueDeclareAsync(queue ?? Q, durable, exclusive: false, autoDelete: false, arguments);
    }

    public async Task PublishAsync(string exchange, string key, string body, Action<BasicProperties>? properties = null,
        bool mandatory = false, IChannel? channel = null)
    {
        var given = new BasicProperties();
        properties?.Invoke(given);
        await (channel ?? Channel).BasicPublishAsync(exchange, key, mandatory, given, Encoding.UTF8.GetBytes(body));
    }

    /// <summary>Notes all that waits in a queue, in order, taking it out.</summary>
    public async Task DrainAsync(string? queue = null, Func<BasicGetResult, string>? show = null)
    {
        while (await Channel.BasicGetAsync(queue ?? Q, autoAck: true) is { } got)
            Note((show ?? Text)(got));
        Note("empty");
    }

    /// <summary>Waits until so many messages are in a queue and not out.</summary>
    public Task UntilCountAsync(uint count, string? queue = null) =>
        UntilAsync(
            async () => await Channel.MessageCountAsync(queue ?? Q) == count, $"{count} messages in {queue ?? Q}");

    /// <summary>Asks the broker again and again until a condition holds.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, string goal = "the condition")
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > Limit)
                throw new TimeoutException($"Never: {goal}.");
            await Task.Delay(5);
        }
    }

    public async Task<Inbox> ConsumeAsync(string? queue = null, bool autoAck = false, IChannel? channel = null,
        string tag = "", IDictionary<string, object?>? arguments = null, bool exclusive = false)
    {
        var inbox = new Inbox(channel ?? Channel);
        inbox.Tag = await (channel ?? Channel).BasicConsumeAsync(
            queue ?? Q, autoAck, tag, noLocal: false, exclusive, arguments, inbox.Consumer);
        return inbox;
    }

    public static string Text(BasicGetResult got)
        => Encoding.UTF8.GetString(got.Body.Span) + (got.Redelivered ? " redelivered" : "");

    public static string Show(ShutdownEventArgs why)
        => $"{why.ReplyCode} {why.ReplyText} class {why.ClassId} method {why.MethodId}";

    public async ValueTask DisposeAsync()
    {
        if (_durable.Count > 0 && Connection.IsOpen)
        {
            await using IChannel channel = await Connection.CreateChannelAsync();
            foreach (string queue in _durable)
                await channel.QueueDeleteAsync(queue);
        }
        foreach (IConnection connection in _connections)
            await connection.DisposeAsync();
    }

    private static string Reason(Exception error) => error switch
    {
        OperationInterruptedException { ShutdownReason: { } reason } => Show(reason),
        BrokerUnreachableException { InnerException: { } inner } => "unreachable: " + Reason(inner),
        AuthenticationFailureException => "authentication: " + error.Message,
        _ => error.GetType().Name,
    };
}

/// <summary>What a consumer got.</summary>
public sealed class Inbox
{
    private readonly BlockingCollection<BasicDeliverEventArgs> _got = [];
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Inbox(IChannel channel)
    {
        Consumer = new AsyncEventingBasicConsumer(channel);
        Consumer.ReceivedAsync += (_, delivery) =>
        {
            // The body is only lent: kept, it has to be copied.
            _got.Add(new BasicDeliverEventArgs(
                delivery.ConsumerTag, delivery.DeliveryTag, delivery.Redelivered, delivery.Exchange,
                delivery.RoutingKey, new BasicProperties(delivery.BasicProperties), delivery.Body.ToArray()));
            return Task.CompletedTask;
        };
        Consumer.UnregisteredAsync += (_, _) => Task.FromResult(_cancelled.TrySetResult());
    }

    public AsyncEventingBasicConsumer Consumer { get; }

    public string Tag { get; set; } = "";

    public Task Cancelled => _cancelled.Task.WaitAsync(Stage.Limit);

    public int Waiting => _got.Count;

    public async Task<BasicDeliverEventArgs> NextAsync() =>
        await Task.Run(() => _got.TryTake(out BasicDeliverEventArgs? got, Stage.Limit)
            ? got
            : throw new TimeoutException("No delivery."));

    public async Task<string> TextAsync()
    {
        BasicDeliverEventArgs got = await NextAsync();
        return Encoding.UTF8.GetString(got.Body.Span) + (got.Redelivered ? " redelivered" : "");
    }
}
