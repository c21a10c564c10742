using System.Collections.Concurrent;

namespace Orders.Tests;

/// <summary>A client made by hand, without a library for it: it keeps what is published, and calls handlers.</summary>
internal sealed class HandMadeClient : IAmqpClient
{
    private readonly ConcurrentDictionary<string, AmqpHandler> _handlers = new();
    private readonly TaskCompletionSource _consuming = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public event EventHandler<AmqpStateChangedEventArgs>? StateChanged { add { } remove { } }

    public AmqpClientStatus Status { get; } = new([]);

    public IAmqpAdmin Admin => throw new NotSupportedException();

    internal ConcurrentQueue<AmqpMessage> Published { get; } = new();

    /// <summary>Ends when the first queue is consumed.</summary>
    internal Task Consuming => _consuming.Task;

    internal bool IsStopped { get; private set; }

    /// <summary>Gives a message to the handler of its queue.</summary>
    internal ValueTask<AmqpSettlement> DeliverAsync(AmqpMessage message)
        => _handlers[message.RoutingKey](new AmqpDelivery(message, message.RoutingKey), CancellationToken.None);

    public ValueTask PublishAsync(AmqpMessage message, CancellationToken cancellationToken = default)
    {
        Published.Enqueue(message);
        return ValueTask.CompletedTask;
    }

    public ValueTask PublishAsync(AmqpMessage message, TimeSpan timeout, CancellationToken cancellationToken = default)
        => PublishAsync(message, cancellationToken);

    public Task<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler,
        AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
    {
        _handlers[queue] = handler;
        _consuming.TrySetResult();
        return Task.FromResult(new AmqpSubscription(queue, () =>
        {
            IsStopped = true;
            return Task.CompletedTask;
        }));
    }

    public ValueTask<AmqpReply> CallAsync(AmqpMessage request, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
        => new(new AmqpReply(new AmqpMessage { Body = request.Body }, TimeSpan.FromMilliseconds(1)));

    public IAsyncEnumerable<AmqpReply> CallManyAsync(AmqpMessage request, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<AmqpSubscription> ServeManyAsync(string queue, AmqpRepliesHandler handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();

    public Task DeclareAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
        => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    public Task<IReadOnlyList<AmqpPublishResult>> PublishAllAsync(IReadOnlyList<AmqpMessage> messages,
        CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public ValueTask PostAsync(AmqpMessage message, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();

    public IAsyncEnumerable<AmqpDelivery> ReadAllAsync(string queue, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public Task<AmqpSubscription> ServeAsync(string queue, AmqpRequestHandler handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();

    public Task DeleteAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();
}
