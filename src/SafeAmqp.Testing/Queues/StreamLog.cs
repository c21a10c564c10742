namespace SafeAmqp.Testing.Queues;

/// <summary>
/// The messages of a stream by offset, in chunks, and the chunks in segments. The last segment always stays.
/// </summary>
internal sealed class StreamLog(QueueArguments arguments)
{
    /// <summary>RabbitMQ's default size of a segment.</summary>
    private const long DefaultSegmentSize = 500_000_000;

    /// <summary>RabbitMQ begins a new segment after so many chunks, too.</summary>
    private const int ChunksPerSegment = 256_000;

    /// <summary>What its chunk and the value that it is filtered by cost beside a message.</summary>
    private const int Overhead = 384;

    private readonly long _segmentSize = arguments.MaxSegmentSize is > 0 and var size ? size : DefaultSegmentSize;
    private readonly List<Chunk> _chunks = [];
    private long _segment;
    private long _segmentBytes;
    private int _segmentChunks;

    /// <summary>The offset of the next message.</summary>
    public long End { get; private set; }

    /// <summary>How many messages there are.</summary>
    public int Count => (int)(End - First);

    /// <summary>Octets of their bodies and properties.</summary>
    public long Bytes { get; private set; }

    /// <summary>Octets that they take.</summary>
    public long HeldBytes => Bytes + (long)Overhead * Count;

    /// <summary>All messages, oldest first.</summary>
    public IEnumerable<(Message Message, long Offset)> Messages =>
        _chunks.SelectMany(chunk => chunk.Messages.Select((message, i) => (message, chunk.First + i)));

    private long First => _chunks.Count == 0 ? End : _chunks[0].First;

    public void Append(Message message, DateTimeOffset now, bool startsChunk)
    {
        if (startsChunk && _segmentChunks > 0 && (_segmentBytes >= _segmentSize || _segmentChunks >= ChunksPerSegment))
        {
            _segment++;
            (_segmentBytes, _segmentChunks) = (0, 0);
            Retain(now);
        }
        if (startsChunk)
        {
            _chunks.Add(new Chunk(End, now, _segment));
            _segmentChunks++;
        }
        Chunk chunk = _chunks[^1];
        chunk.Messages.Add(message);
        chunk.Filters.Add(StreamMessage.FilterValue(message));
        long bytes = message.HeldBytes;
        chunk.Bytes += bytes;
        Bytes += bytes;
        _segmentBytes += bytes;
        End++;
    }

    /// <summary>The offset of the first message that a new consumer gets.</summary>
    public long Find(StreamOffset offset, DateTimeOffset now) => offset.Kind switch
    {
        StreamOffsetKind.First => First,
        StreamOffsetKind.Last => _chunks.Count == 0 ? End : _chunks[^1].First,
        StreamOffsetKind.Next => End,
        StreamOffsetKind.Number => Math.Max(First, offset.Number),
        StreamOffsetKind.Time => FindTime(DateTimeOffset.UnixEpoch.AddSeconds(offset.Seconds)),
        _ => FindTime(now.AddSeconds(-offset.Seconds)),
    };

    /// <summary>
    /// The first message from an offset on that lies in a chunk with something that the filter wants.
    /// </summary>
    public bool TryFind(long offset, StreamFilter? filter, out StreamMessage message)
    {
        int at = Math.Max(0, IndexOf(offset));
        for (; at < _chunks.Count; at++)
        {
            Chunk chunk = _chunks[at];
            long from = Math.Max(offset, chunk.First);
            if (from >= chunk.End || filter is not null && !chunk.Filters.Any(filter.Wants))
                continue;
            message = new StreamMessage(chunk.Messages[(int)(from - chunk.First)], from, chunk.First);
            return true;
        }
        message = default;
        return false;
    }

    private long FindTime(DateTimeOffset time) => _chunks.Find(chunk => chunk.Time >= time)?.First ?? End;

    /// <summary>The chunk that an offset lies in or behind; -1 before the first.</summary>
    private int IndexOf(long offset)
    {
        int low = 0, high = _chunks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_chunks[middle].First <= offset) low = middle + 1;
            else high = middle;
        }
        return low - 1;
    }

    /// <summary>Oldest segments go while the others are long enough, or as soon as they are too old.</summary>
    private void Retain(DateTimeOffset now)
    {
        while (_chunks.Count > 0 && _chunks[0].Segment < _segment)
        {
            long segment = _chunks[0].Segment;
            int count = _chunks.FindIndex(chunk => chunk.Segment != segment);
            count = count < 0 ? _chunks.Count : count;
            bool isTooOld = arguments.MaxAge is { } age && now - _chunks[count - 1].Time > age;
            if (!isTooOld && !(arguments.MaxLengthBytes is { } most && Bytes > most))
                return;
            Bytes -= _chunks.Take(count).Sum(chunk => chunk.Bytes);
            _chunks.RemoveRange(0, count);
        }
    }

    /// <summary>Messages that were written together.</summary>
    private sealed class Chunk(long first, DateTimeOffset time, long segment)
    {
        public long First => first;

        public long End => first + Messages.Count;

        public DateTimeOffset Time => time;

        public long Segment => segment;

        public long Bytes { get; set; }

        public List<Message> Messages { get; } = new(1);

        /// <summary>The filter values of its messages; "" for one without.</summary>
        public HashSet<string> Filters { get; } = [];
    }
}
