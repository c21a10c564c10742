using LocalBroker;
using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>A node that most comparisons run on, a faulty proxy before it, and both clients made alike.</summary>
internal sealed class Bench(int port, PrivateRabbitMqNode? node = null) : IAsyncDisposable
{
    /// <summary>The node's own port.</summary>
    internal int Port => port;

    internal FaultProxy Proxy { get; } = new(port);

    internal static async Task<Bench> StartAsync()
    {
        PrivateRabbitMqNode node = await PrivateRabbitMqNode.StartAsync();
        return new Bench(node.Port, node);
    }

    internal static ConnectionFactory Factory(int port, TimeSpan? heartbeat = null, TimeSpan? connect = null) => new()
    {
        HostName = "127.0.0.1",
        Port = port,
        AutomaticRecoveryEnabled = false,
        TopologyRecoveryEnabled = false,
        RequestedHeartbeat = heartbeat ?? TimeSpan.FromSeconds(30),
        RequestedConnectionTimeout = connect ?? TimeSpan.FromSeconds(30),
        HandshakeContinuationTimeout = connect ?? TimeSpan.FromSeconds(10),
    };

    internal static CreateChannelOptions Confirming { get; } = new(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);

    internal static AmqpClientOptions Options(int port) => new()
    {
        Uri = $"amqp://guest:guest@127.0.0.1:{port}/",
        ShutdownTimeout = TimeSpan.FromSeconds(2),
        MaxReconnectDelay = TimeSpan.FromSeconds(1),
    };

    /// <summary>Takes everything out of a queue, in its order.</summary>
    internal static async Task<IReadOnlyList<(int Number, bool Redelivered)>> TakeAllAsync(int port, string queue)
    {
        await using IConnection connection = await Factory(port).CreateConnectionAsync();
        await using IChannel channel = await connection.CreateChannelAsync();
        var taken = new List<(int, bool)>();
        while (await channel.BasicGetAsync(queue, autoAck: true) is { } message)
        {
            if (!Bodies.TryRead(message.Body.Span, out _, out int number))
                throw new InvalidDataException("A body that was never sent.");
            taken.Add((number, message.Redelivered));
        }
        return taken;
    }

    internal static async Task<string> QueueAsync(int port)
    {
        await using IConnection connection = await Factory(port).CreateConnectionAsync();
        await using IChannel channel = await connection.CreateChannelAsync();
        string name = $"side.{Guid.NewGuid():N}";
        await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false);
        return name;
    }

    /// <summary>Gives a connection up without waiting for its teardown, which can take long.</summary>
    internal static void Abandon(IConnection connection)
        => _ = connection.AbortAsync().ContinueWith(done => _ = done.Exception, TaskScheduler.Default);

    public async ValueTask DisposeAsync()
    {
        await Proxy.DisposeAsync();
        if (node is not null)
            await node.DisposeAsync();
    }
}
