using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Queues;

/// <summary>
/// A stream: a log that every consumer reads from a place of its own. Messages leave it only with the oldest segment,
/// when it grows too long or too old; an acknowledgement is credit for the next one and nothing else.
/// </summary>
internal sealed class StreamQueue(VirtualHost host, string name, QueueArguments arguments)
    : BrokerQueue(host, name, durable: true, autoDelete: false, owner: null, arguments)
{
    private readonly StreamLog _log = new(arguments);
    private readonly Dictionary<Consumer, StreamReader> _readers = [];
    private bool _isDirty;

    public override int ReadyCount => _log.Count;

    public override IEnumerable<QueueEntry> Ready => _log.Messages.Select(m => new QueueEntry(m.Message, m.Offset));

    public override long HeldBytes => _log.HeldBytes;

    /// <summary>RabbitMQ counts neither.</summary>
    public override (int Messages, int Consumers) Counts => (0, 0);

    /// <exception cref="AmqpError">541: a decimal header; RabbitMQ has no form for it in a stream.</exception>
    public override bool Publish(Message message)
    {
        _log.Append(StreamMessage.Stored(message, Rules), Loop.Time.GetUtcNow(), startsChunk: !_isDirty);
        if (!_isDirty)
        {
            _isDirty = true;
            Host.Broker.AtBatchEnd(Seal);
        }
        return true;
    }

    public override QueueEntry? Take(bool noAck) => throw NotSupported("basic.get");

    public override int Purge() => throw NotSupported("queue.purge");

    public override void Acknowledge(QueueEntry entry) => Unacked.Remove(entry);

    /// <summary>It is not given out again: the consumer has had it, and goes on behind it.</summary>
    public override void Requeue(QueueEntry entry, bool isLost) => Unacked.Remove(entry);

    public override void Reject(QueueEntry entry) => Unacked.Remove(entry);

    public override void CheckRefusal()
    {
        if (!Rules.SkipsRefusedOfStreams)
            throw NotSupported("basic.nack and basic.reject");
    }

    public override void CheckDelete(bool ifUnused, bool ifEmpty)
    {
        // RabbitMQ looks at neither.
    }

    public override void Settled() => Dispatch();

    public override void Add(Consumer consumer)
    {
        if (consumer.Prefetch == 0)
            throw AmqpError.Precondition(Rules.StreamPrefetchMissing(Description));
        if (consumer.NoAck)
        {
            string text = $"automatic acknowledgement not supported by {Rules.StreamNoun} {Description}";
            throw new AmqpError(ReplyCode.NotImplemented, text);
        }
        var offset = StreamOffset.Read(consumer.Arguments, Description);
        _readers.Add(consumer, new StreamReader
        {
            Next = _log.Find(offset, Loop.Time.GetUtcNow()),
            Filter = Rules.FiltersStreams ? StreamFilter.Read(consumer.Arguments) : null,
        });
        Consumers.Add(consumer);
    }

    public override void Remove(Consumer consumer)
    {
        Consumers.Remove(consumer);
        _readers.Remove(consumer);
    }

    public override void Unblock(Consumer consumer) => Serve(consumer);

    public override void Dispatch()
    {
        foreach (Consumer consumer in Consumers.ToArray())
            Serve(consumer);
    }

    /// <summary>All that is confirmed is kept, persistent or not.</summary>
    public override void Restart(bool crashed)
    {
        Unacked.Clear();
        Consumers.Clear();
        _readers.Clear();
    }

    protected override void Deleted() => _readers.Clear();

    /// <summary>What came together is a chunk, and goes out when it is complete.</summary>
    private void Seal()
    {
        _isDirty = false;
        Dispatch();
    }

    private void Serve(Consumer consumer)
    {
        while (!_isDirty && _readers.TryGetValue(consumer, out StreamReader? reader))
        {
            // What the filter does not want is looked at once.
            bool found = _log.TryFind(reader.Next, reader.Filter, out StreamMessage message);
            reader.Next = found ? message.Offset : Math.Max(reader.Next, _log.End);
            if (!found)
                return;
            // RabbitMQ 3.10 sends a chunk that it has begun to its end, whatever the prefetch.
            bool goesOn = Rules.SendsWholeChunks && message.Chunk == reader.Chunk && consumer.CanReceive;
            if (!goesOn && !consumer.CanTake)
                return;
            (reader.Next, reader.Chunk) = (message.Offset + 1, message.Chunk);
            var entry = new QueueEntry(message.ToDeliver(), message.Offset);
            Unacked.Add(entry);
            consumer.Deliver(entry);
        }
    }

    private AmqpError NotSupported(string what) =>
        new(ReplyCode.NotImplemented, $"{what} not supported by stream queues {Description}");

    /// <summary>How far a consumer has come.</summary>
    private sealed class StreamReader
    {
        public required long Next { get; set; }

        /// <summary>The chunk that it read from last.</summary>
        public long Chunk { get; set; } = -1;

        public StreamFilter? Filter { get; init; }
    }
}
