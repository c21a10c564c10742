using System.Text;
using System.Threading.Channels;
using SafeAmqp;

namespace RecipeService.Tests.Support;

/// <summary>
/// A hand-made peer on the wire: sees what the service sends, and sends what a worker might, or should not.
/// </summary>
internal sealed class Peer : IAsyncDisposable
{
    private readonly AmqpClient _amqp;

    private Peer(AmqpClient amqp) => _amqp = amqp;

    public static async Task<Peer> ConnectAsync(Uri broker)
        => new(await AmqpClient.ConnectAsync(broker.ToString(), TestContext.Current.CancellationToken));

    public async Task SendAsync(string queue, string body, string? correlationId = null, string? replyTo = null)
        => await _amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, Encoding.UTF8.GetBytes(body)) with
            {
                CorrelationId = correlationId,
                ReplyTo = replyTo
            }, TestContext.Current.CancellationToken);

    /// <summary>Takes every message of a queue.</summary>
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

    /// <summary>Takes every message of a queue that only this peer has.</summary>
    public Task<Taken> TakeFromOwnQueueAsync(out string queue)
    {
        string name = queue = $"recipe-test-{Guid.NewGuid():N}";
        return DeclareAndTakeAsync();

        async Task<Taken> DeclareAndTakeAsync()
        {
            await _amqp.DeclareAsync(
                new AmqpTopology().With(new AmqpQueue { Name = name, Exclusive = true, Durable = false }),
                TestContext.Current.CancellationToken);
            return await TakeAsync(name);
        }
    }

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

    /// <summary>Waits for a message whose body meets the condition; skips the others.</summary>
    public async Task<AmqpMessage> WaitForAsync(Func<string, bool> condition)
    {
        for (; ; )
        {
            var message = await NextAsync();
            if (condition(Encoding.UTF8.GetString(message.Body.Span)))
                return message;
        }
    }
}
