using System.Collections.Concurrent;

namespace SafeAmqp.Tests.Hosting;

/// <summary>
/// A client without a broker: it keeps a journal of what is asked of it and does what the test tells it to.
/// </summary>
internal sealed class FakeClient : IAmqpClient
{
    private readonly Lock _gate = new();
    private readonly List<string> _journal = [];
    private readonly List<(string Entry, int Count, TaskCompletionSource Seen)> _waits = [];

    internal static readonly AmqpClientStatus OpenStatus = new(
        [Link("send", AmqpLinkState.Open), Link("receive", AmqpLinkState.Open)]);

    internal AmqpClientStatus State { get; set; } = OpenStatus;

    /// <summary>
    /// Runs inside declare, consume, serve, publish, call, stop and dispose; gets the journal's entry.
    /// </summary>
    internal Func<string, CancellationToken, Task> Behave { get; set; } = (_, _) => Task.CompletedTask;

    internal Func<AmqpMessage, AmqpMessage> Answer { get; set; } = request => request;

    internal ConcurrentDictionary<string, AmqpHandler> Handlers { get; } = new();

    internal ConcurrentDictionary<string, AmqpRequestHandler> Servers { get; } = new();

    internal ConcurrentDictionary<string, AmqpRepliesHandler> ManyServers { get; } = new();

    internal ConcurrentQueue<AmqpMessage> Published { get; } = new();

    internal bool IsDisposed { get; private set; }

    internal IReadOnlyList<string> Journal
    {
        get
        {
            lock (_gate)
                return [.. _journal];
        }
    }

    public event EventHandler<AmqpStateChangedEventArgs>? StateChanged { add { } remove { } }

    public IAmqpAdmin Admin => throw new NotSupportedException();

    public AmqpClientStatus Status
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsDisposed, this);
            return State;
        }
    }

    internal static AmqpLinkStatus Link(string name, AmqpLinkState state)
        => new() { Name = name, State = state, Epoch = 1 };

    internal static AmqpDelivery Delivery(string queue, ReadOnlyMemory<byte> body = default)
        => Delivery(AmqpMessage.ToQueue(queue, body));

    internal static AmqpDelivery Delivery(AmqpMessage message)
        => new(message, message.RoutingKey, 1, false, 1, (_, _) => false, CancellationToken.None);

    /// <summary>Ends when an entry stands in the journal this many times.</summary>
    internal Task SeenAsync(string entry, int count = 1)
    {
        lock (_gate)
        {
            if (_journal.Count(seen => seen == entry) >= count)
                return Task.CompletedTask;
            var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waits.Add((entry, count, seen));
            return seen.Task;
        }
    }

    public async ValueTask PublishAsync(AmqpMessage message, CancellationToken cancellationToken = default)
    {
        Published.Enqueue(message);
        await NoteAsync($"publish {message.RoutingKey}", cancellationToken);
    }

    public ValueTask PublishAsync(AmqpMessage message, TimeSpan timeout, CancellationToken cancellationToken = default)
        => PublishAsync(message, cancellationToken);

    public Task<IReadOnlyList<AmqpPublishResult>> PublishAllAsync(
        IReadOnlyList<AmqpMessage> messages, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();

    public ValueTask PostAsync(AmqpMessage message, CancellationToken cancellationToken = default)
    {
        Published.Enqueue(message);
        return ValueTask.CompletedTask;
    }

    public async Task<AmqpSubscription> ConsumeAsync(
        string queue, AmqpHandler handler, AmqpConsumerOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Handlers[queue] = handler;
        await NoteAsync($"consume {queue}", cancellationToken);
        return new AmqpSubscription(queue, () => NoteAsync($"stop {queue}"));
    }

    public IAsyncEnumerable<AmqpDelivery> ReadAllAsync(
        string queue, AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
        => throw new NotSupportedException();

    public async ValueTask<AmqpReply> CallAsync(
        AmqpMessage request, AmqpCallOptions? options = null, CancellationToken cancellationToken = default)
    {
        Published.Enqueue(request);
        await NoteAsync($"call {request.RoutingKey}", cancellationToken);
        return new AmqpReply(Answer(request), TimeSpan.Zero);
    }

    public async Task<AmqpSubscription> ServeAsync(
        string queue, AmqpRequestHandler handler, AmqpServeOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Servers[queue] = handler;
        await NoteAsync($"serve {queue}", cancellationToken);
        return new AmqpSubscription(queue, () => NoteAsync($"stop {queue}"));
    }

    public IAsyncEnumerable<AmqpReply> CallManyAsync(AmqpMessage request, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default) => throw new NotSupportedException();

    public async Task<AmqpSubscription> ServeManyAsync(string queue, AmqpRepliesHandler handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ManyServers[queue] = handler;
        await NoteAsync($"serve {queue}", cancellationToken);
        return new AmqpSubscription(queue, () => NoteAsync($"stop {queue}"));
    }

    public async Task DeclareAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
        => await NoteAsync($"declare {string.Join(", ", topology.Items.Select(item => item.Key))}", cancellationToken);

    public async Task DeleteAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
        => await NoteAsync($"delete {string.Join(", ", topology.Items.Select(item => item.Key))}", cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (IsDisposed)
            return;
        IsDisposed = true;
        await NoteAsync("dispose", CancellationToken.None);
    }

    internal Task NoteAsync(string entry, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            _journal.Add(entry);
            foreach (var wait in _waits
                .Where(wait => wait.Entry == entry && _journal.Count(seen => seen == entry) >= wait.Count).ToList())
            {
                _waits.Remove(wait);
                wait.Seen.SetResult();
            }
        }
        return Behave(entry, cancellationToken);
    }
}
