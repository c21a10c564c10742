using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>SafeAmqp's confirmed publish, over one client or spread over several.</summary>
internal class SafeAmqpPublish(int clients = 1) : Contender
{
    private readonly AmqpClient[] _clients = new AmqpClient[clients];
    private AmqpMessage _message = new();

    internal override string Name => clients == 1 ? "SafeAmqp" : $"SafeAmqp, {clients} clients";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        for (int i = 0; i < _clients.Length; i++)
            _clients[i] = await AmqpClient.ConnectAsync(new AmqpClientOptions
            {
                Uri = broker.ToString(),
                MaxPendingMessages = 1_000_000,
                MaxPendingBytes = 1L << 30
            });
        await _clients[0].DeclareAsync(new AmqpTopology()
            .With(new AmqpExchange { Name = Workload.Sink, Durable = false })
            .With(new AmqpExchange { Name = Workload.RoutedExchange, Type = AmqpExchangeType.Fanout })
            .With(new AmqpQueue { Name = Workload.RoutedQueue, MaxLength = Workload.RoutedQueueLength })
            .Bind(Workload.RoutedExchange).ToQueue(Workload.RoutedQueue));
        _message = new AmqpMessage
        {
            Exchange = workload.Exchange,
            RoutingKey = "k",
            Body = workload.Body,
            Mandatory = workload.Routed,
            Persistent = workload.Routed
        };
    }

    protected override ValueTask OperateAsync(int caller) => _clients[caller % _clients.Length].PublishAsync(_message);

    public override async ValueTask DisposeAsync()
    {
        foreach (AmqpClient client in _clients)
            await client.DisposeAsync();
    }
}

/// <summary>
/// The same on the embedded broker, in a process of its own: what a test gets from it, beside what it would get from
/// RabbitMQ.
/// </summary>
internal sealed class SafeAmqpOnEmbedded : SafeAmqpPublish
{
    private Companion? _broker;

    internal override string Name => "SafeAmqp on the embedded broker";

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _broker = await Companion.EmbeddedBrokerAsync();
        await base.ConnectAsync(new Uri(_broker.Answer), workload);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        if (_broker is not null)
            await _broker.DisposeAsync();
    }
}

/// <summary>The same with its own number of callers, whatever the comparison says.</summary>
internal sealed class SafeAmqpCallers(int callers) : SafeAmqpPublish
{
    internal override string Name => Title(callers);

    internal static string Title(int callers) => $"SafeAmqp, {callers:N0} callers";

    internal override Task<Measurement> MeasureAsync(Workload workload, TimeSpan duration)
        => base.MeasureAsync(workload with { Callers = callers }, duration);
}
