using System.Threading.Channels;
using SafeAmqp;

namespace FederatedLearning.Tests.Support;

/// <summary>A hand-made peer on the wire: sees what is sent, and sends what a client might, or should not.</summary>
internal sealed class Peer : IAsyncDisposable
{
    private readonly AmqpClient _amqp;

    private Peer(AmqpClient amqp) => _amqp = amqp;

    public static async Task<Peer> ConnectAsync(Place place)
        => new(await AmqpClient.ConnectAsync(place.Uri, TestContext.Current.CancellationToken));

    public async Task SendAsync(string exchange, string routingKey, string body)
        => await _amqp.PublishAsync(
            AmqpMessage.ToExchange(exchange, routingKey, System.Text.Encoding.UTF8.GetBytes(body)),
            TestContext.Current.CancellationToken);

    public async Task SendAsync(string exchange, string routingKey, byte[] body)
        => await _amqp.PublishAsync(
            AmqpMessage.ToExchange(exchange, routingKey, body), TestContext.Current.CancellationToken);

    /// <summary>Takes every message of a queue that is there.</summary>
    public async Task<Taken> TakeAsync(string queue)
    {
        var taken = Channel.CreateUnbounded<AmqpMessage>();
        await _amqp.ConsumeAsync(queue, (delivery, _) =>
        {
            taken.Writer.TryWrite(delivery.Message);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: TestContext.Current.CancellationToken);
        return new Taken(taken.Reader);
    }

    /// <summary>Deletes a queue, whatever is in it.</summary>
    public Task DeleteAsync(string queue)
        => _amqp.Admin.DeleteQueueAsync(queue, cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>Takes every broadcast from now on.</summary>
    public async Task<Taken> TakeBroadcastsAsync()
    {
        string queue = $"peer-{Guid.NewGuid():N}";
        await _amqp.DeclareAsync(new AmqpTopology()
            .Exchange("fl_broadcast", AmqpExchangeType.Fanout)
            .With(new AmqpQueue { Name = queue, Exclusive = true, Durable = false })
            .Bind("fl_broadcast").ToQueue(queue), TestContext.Current.CancellationToken);
        return await TakeAsync(queue);
    }

    /// <summary>Checks that something is there, without making it.</summary>
    public async Task CheckAsync(AmqpTopology topology)
        => await _amqp.DeclareAsync(topology, TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => _amqp.DisposeAsync();
}

/// <summary>The messages of a queue, in its order.</summary>
internal sealed class Taken(ChannelReader<AmqpMessage> messages)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public async Task<AmqpMessage> NextAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        return await messages.ReadAsync(limit.Token);
    }
}
