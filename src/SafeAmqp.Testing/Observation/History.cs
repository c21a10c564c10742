using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Observation;

/// <summary>What the broker saw, bounded in count and octets, and who waits for something to be seen.</summary>
internal sealed class History(BrokerState broker)
{
    private readonly Queue<AmqpTestEvent> _events = new();
    private readonly List<Waiter> _waiters = [];
    private readonly int _capacity = broker.Options.HistoryCapacity;
    private readonly long _byteCapacity = broker.Options.HistoryBytes;
    private long _number;
    private long _bytes;

    public IEnumerable<AmqpTestEvent> Events => _events;

    /// <summary>The first bug that the loop caught; every waiter is told.</summary>
    public Exception? Failure { get; private set; }

    public void Received(Connection connection, string name) => Add(connection, null, name);

    public void Received(Channel channel, string name, string? queue = null, string? exchange = null) => Add(channel.Connection, channel, name, queue, exchange);

    public void Settled(Channel channel, string name, ulong tag)
    {
        if (IsOn)
            Keep(new AmqpTestEvent { Number = ++_number, Name = name, Connection = channel.Connection.Name, Channel = channel.Number, DeliveryTag = tag });
    }

    public void Published(Channel channel, Message message, List<BrokerQueue> queues)
    {
        if (!IsOn)
            return;
        _bytes += message.Size;
        Keep(new AmqpTestEvent
        {
            Number = ++_number,
            Name = "basic.publish",
            Connection = channel.Connection.Name,
            Channel = channel.Number,
            Exchange = message.Exchange,
            RoutingKey = message.RoutingKey,
            Message = new AmqpTestMessage(message),
            Queues = queues.Count switch { 0 => [], 1 => queues[0].NameList, _ => [.. queues.Select(queue => queue.Name)] },
        });
    }

    public void Fault(FaultScene scene) => Add(scene.Connection, scene.Channel, "fault", scene.Queue, scene.Exchange);

    public void Wait(Waiter waiter)
    {
        if (!waiter.TryEnd(Failure))
            _waiters.Add(waiter);
    }

    public void Crashed(Exception error)
    {
        Failure ??= error;
        BatchEnded();
    }

    public void BatchEnded()
    {
        if (_waiters.Count > 0)
            _waiters.RemoveAll(waiter => waiter.TryEnd(Failure));
    }

    private bool IsOn => _capacity > 0 && !broker.Faults.IsSuppressed;

    private void Add(Connection connection, Channel? channel, string name, string? queue = null, string? exchange = null)
    {
        if (IsOn)
            Keep(new AmqpTestEvent { Number = ++_number, Name = name, Connection = connection.Name, Channel = channel?.Number ?? 0, Queue = queue, Exchange = exchange });
    }

    private void Keep(AmqpTestEvent seen)
    {
        _events.Enqueue(seen);
        while (_events.Count > _capacity || _bytes > _byteCapacity && _events.Count > 1)
            _bytes -= _events.Dequeue().Message?.Body.Length ?? 0;
    }

    /// <summary>Someone outside who waits for a condition.</summary>
    internal sealed class Waiter(Func<bool> condition)
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Done => _done.Task;

        /// <summary>True when it need not be asked again: it was met, it failed, or nobody waits any more.</summary>
        public bool TryEnd(Exception? failure)
        {
            if (_done.Task.IsCompleted)
                return true;
            try
            {
                if (failure is not null)
                    return _done.TrySetException(new InvalidOperationException("The embedded broker has a bug.", failure));
                return condition() && _done.TrySetResult();
            }
            catch (Exception error)
            {
                return _done.TrySetException(error);
            }
        }

        public void GiveUp() => _done.TrySetCanceled();
    }
}
