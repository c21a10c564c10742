using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// A second pair of eyes: a connection that owes nothing to the library under test. Looks into queues, and plays peers
/// that misbehave.
/// </summary>
public sealed class Witness : IAsyncDisposable
{
    private readonly IConnection _connection;

    private Witness(IConnection connection, IChannel channel)
    {
        _connection = connection;
        Channel = channel;
    }

    /// <summary>One test's own; not for several threads.</summary>
    public IChannel Channel { get; private set; }

    public static async Task<Witness> ConnectAsync(string uri, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory
        {
            Uri = new Uri(uri),
            ClientProvidedName = "witness",
            AutomaticRecoveryEnabled = false,
        };
        IConnection connection = await factory.CreateConnectionAsync(cancellationToken);
        return new Witness(connection, await connection.CreateChannelAsync(cancellationToken: cancellationToken));
    }

    /// <summary>How many messages are ready in a queue: those that no consumer holds.</summary>
    public async Task<uint> ReadyAsync(string queue) => await Channel.MessageCountAsync(queue, CancellationToken.None);

    public async Task<uint> ConsumersAsync(string queue)
        => await Channel.ConsumerCountAsync(queue, CancellationToken.None);

    public async Task<bool> ExistsAsync(string queue)
    {
        try
        {
            await Channel.QueueDeclarePassiveAsync(queue, CancellationToken.None);
            return true;
        }
        catch (OperationInterruptedException error) when (error.ShutdownReason?.ReplyCode == 404)
        {
            Channel = await _connection.CreateChannelAsync();
            return false;
        }
        catch (OperationInterruptedException error) when (error.ShutdownReason?.ReplyCode == 405)
        {
            Channel = await _connection.CreateChannelAsync();
            return true; // somebody's exclusive queue
        }
    }

    public Task<string> QueueAsync(string queue) => QueueAsync(queue, null);

    public async Task<string> QueueAsync(string queue, IDictionary<string, object?>? arguments)
        => (await Channel.QueueDeclareAsync(
            queue, durable: true, exclusive: false, autoDelete: false, arguments)).QueueName;

    public async Task PublishAsync(string queue, byte[] body, Action<BasicProperties>? properties = null)
    {
        var filled = new BasicProperties();
        properties?.Invoke(filled);
        await Channel.BasicPublishAsync("", queue, mandatory: false, filled, body);
    }

    /// <summary>Consumes without acknowledgement; what comes is handed over in order.</summary>
    public async Task ConsumeAsync(string queue, Func<BasicDeliverEventArgs, Task> handle)
    {
        var consumer = new AsyncEventingBasicConsumer(Channel);
        consumer.ReceivedAsync += (_, delivery) => handle(delivery);
        await Channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    }

    /// <summary>Deletes the queue and the exchange of a name, if there are any.</summary>
    public async Task RemoveAsync(string name)
    {
        await Channel.ExchangeDeleteAsync(name);
        try
        {
            await Channel.QueueDeleteAsync(name);
        }
        catch (OperationInterruptedException error) when (error.ShutdownReason?.ReplyCode == 405)
        {
            Channel = await _connection.CreateChannelAsync(); // exclusive: it goes with its connection
        }
    }

    /// <summary>Asks for a queue that does not exist, which the broker writes into its log.</summary>
    public async Task LeaveMarkAsync(string mark)
    {
        if (await ExistsAsync(mark))
            throw new InvalidOperationException($"A queue named '{mark}' is not expected.");
    }

    // Disposed alone while it is being closed, it would not wait for its main loop, which then fails.
    public async ValueTask DisposeAsync()
    {
        await _connection.AbortAsync();
        await _connection.DisposeAsync();
    }
}
