using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Observation;

/// <summary>What the broker saw, bounded in count and octets, and what waits for something to be seen.</summary>
internal sealed class History(BrokerState broker)
{
    private readonly Queue<AmqpTestEvent> _messages = new();
    private readonly Queue<AmqpTestEvent> _errors = new();
    private readonly Queue<AmqpTestEvent> _others = new();
    private readonly List<Waiter> _waiters = [];
    private readonly int _capacity = broker.Options.HistoryCapacity;
    private readonly long _byteCapacity = broker.Options.HistoryBytes;
    private long _number;
    private long _bytes;

    /// <summary>
    /// In order of their numbers. Messages and their settlements have room of their own, and so have errors: a flood of
    /// the rest does not wash them away.
    /// </summary>
    public IEnumerable<AmqpTestEvent> Events => Merged(_messages, Merged(_errors, _others));

    public IEnumerable<AmqpTestEvent> Errors => _errors;

    /// <summary>The first bug that the loop caught; every waiter is told.</summary>
    public Exception? Failure { get; private set; }

    public void Received(Connection connection, string name) => Add(connection, null, name);

    public void Received(Channel channel, string name, string? queue = null, string? exchange = null)
        => Add(channel.Connection, channel, name, queue, exchange);

    public void Settled(Channel channel, string name, ulong tag)
    {
        if (IsNew(channel.Connection, name))
            KeepMessage(new AmqpTestEvent
            {
                Number = ++_number,
                Name = name,
                Connection = channel.Connection.Name,
                Channel = channel.Number,
                DeliveryTag = tag
            });
    }

    /// <summary>The broker closes a connection, or only a channel of it, over an error.</summary>
    public void Failed(Connection connection, Channel? channel, AmqpError error)
    {
        if (_capacity == 0)
            return;
        Keep(_errors, new AmqpTestEvent
        {
            Number = ++_number,
            Name = channel is null ? "connection.error" : "channel.error",
            Connection = connection.Name,
            Channel = channel?.Number ?? 0,
            ReplyCode = error.Code,
            ReplyText = error.Text,
        });
    }

    public void Published(Channel channel, Message message, List<BrokerQueue> queues)
    {
        if (_capacity == 0)
            return;
        KeepMessage(new AmqpTestEvent
        {
            Number = ++_number,
            Name = "basic.publish",
            Connection = channel.Connection.Name,
            Channel = channel.Number,
            Exchange = message.Exchange,
            RoutingKey = message.RoutingKey,
            Message = new AmqpTestMessage(message),
            Queues = queues.Count switch
            {
                0 => [],
                1 => queues[0].NameList,
                _ => [.. queues.Select(queue => queue.Name)]
            },
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

    /// <summary>A method that was held back has been seen already.</summary>
    private bool IsNew(Connection connection, string name)
        => _capacity > 0 && (connection.Replayed == 0 || Method.Name(connection.Replayed) != name);

    private void Add(
        Connection connection, Channel? channel, string name, string? queue = null, string? exchange = null)
    {
        if (IsNew(connection, name))
            Keep(_others, new AmqpTestEvent
            {
                Number = ++_number,
                Name = name,
                Connection = connection.Name,
                Channel = channel?.Number ?? 0,
                Queue = queue,
                Exchange = exchange
            });
    }

    private void Keep(Queue<AmqpTestEvent> kept, AmqpTestEvent seen)
    {
        kept.Enqueue(seen);
        if (kept.Count > _capacity)
            kept.Dequeue();
    }

    private void KeepMessage(AmqpTestEvent seen)
    {
        _messages.Enqueue(seen);
        _bytes += Size(seen);
        while (_messages.Count > _capacity || _bytes > _byteCapacity && _messages.Count > 1)
            _bytes -= Size(_messages.Dequeue());
    }

    private static IEnumerable<AmqpTestEvent> Merged(IEnumerable<AmqpTestEvent> some, IEnumerable<AmqpTestEvent> others)
    {
        using IEnumerator<AmqpTestEvent> next = others.GetEnumerator();
        bool more = next.MoveNext();
        foreach (AmqpTestEvent one in some)
        {
            for (; more && next.Current.Number < one.Number; more = next.MoveNext())
                yield return next.Current;
            yield return one;
        }
        for (; more; more = next.MoveNext())
            yield return next.Current;
    }

    /// <summary>The message, and a reference to the name of each queue.</summary>
    private static long Size(AmqpTestEvent seen) =>
        (seen.Message?.HeldBytes ?? 0) + (long)IntPtr.Size * seen.Queues.Count;

    /// <summary>A caller outside the loop that waits for a condition.</summary>
    internal sealed class Waiter(Func<bool> condition)
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Done => _done.Task;

        /// <summary>True when it need not be asked again: it was met, it failed, or no caller waits any more.</summary>
        public bool TryEnd(Exception? failure)
        {
            if (_done.Task.IsCompleted)
                return true;
            try
            {
                if (failure is not null)
                    return _done.TrySetException(
                        new InvalidOperationException("The embedded broker has a bug.", failure));
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
