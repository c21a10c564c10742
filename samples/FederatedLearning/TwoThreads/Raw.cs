using System.Text;
using RabbitMQ.Client;

namespace TwoThreads;

/// <summary>RabbitMQ.Client as its tutorials use it: a connection, one channel, recovery as it comes.</summary>
internal static class Raw
{
    public static readonly CreateChannelOptions Tracking = new(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true);

    public static readonly CreateChannelOptions NumbersByHand = new(
        publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: false);

    public static Task<IConnection> ConnectAsync(Uri broker, CancellationToken cancellationToken)
        => new ConnectionFactory { Uri = broker, ClientProvidedName = "two-threads-raw" }
            .CreateConnectionAsync(cancellationToken);

    /// <summary>A queue that goes with its connection.</summary>
    public static async Task<string> NewQueueAsync(IConnection connection, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        return (await channel.QueueDeclareAsync(cancellationToken: cancellationToken)).QueueName;
    }

    /// <summary>Fills a queue with numbered messages.</summary>
    public static async Task FillAsync(
        IConnection connection, string queue, int count, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(Tracking, cancellationToken);
        for (int number = 0; number < count; number++)
            await channel.SendAsync("", queue, Body(number), cancellationToken);
    }

    /// <summary>Takes out whatever the queue holds, over a channel of its own.</summary>
    public static async Task<List<int>> DrainAsync(
        IConnection connection, string queue, CancellationToken cancellationToken)
    {
        await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
        var numbers = new List<int>();
        while (await channel.BasicGetAsync(queue, autoAck: true, cancellationToken) is { } got)
            numbers.Add(NumberOf(got.Body));
        return numbers;
    }

    /// <summary>Publishes, with properties of its own for each message: tracking writes into them.</summary>
    public static ValueTask SendAsync(
        this IChannel channel, string exchange, string routingKey, byte[] body, CancellationToken cancellationToken)
        => channel.BasicPublishAsync(
            exchange, routingKey, mandatory: false, new BasicProperties(), body, cancellationToken);

    public static byte[] Body(int number)
        => Encoding.ASCII.GetBytes(number.ToString(System.Globalization.CultureInfo.InvariantCulture));

    public static int NumberOf(ReadOnlyMemory<byte> body)
        => int.Parse(body.Span, System.Globalization.CultureInfo.InvariantCulture);
}
