namespace SafeAmqp.Testing.Queues;

/// <summary>The messages that wait, by priority and then by position; a returned one finds its old place.</summary>
internal sealed class ReadyList
{
    /// <summary>A quorum queue gives so many messages of high priority for each of the others.</summary>
    private const int QuorumWeight = 2;

    /// <summary>The lowest priority that a quorum queue takes for a high one.</summary>
    private const int QuorumHigh = 5;

    private readonly Lane[] _lanes;
    private readonly Lane _returned = new();
    private readonly bool _takesTurns;
    private int _turns;

    /// <param name="priorities">The highest priority of a classic queue.</param>
    /// <param name="takesTurns">
    /// Instead it has two priorities, high and all others, that take turns: a quorum queue's.
    /// </param>
    public ReadyList(int priorities, bool takesTurns)
    {
        _takesTurns = takesTurns;
        _lanes = new Lane[takesTurns ? 2 : priorities + 1];
        for (int i = 0; i < _lanes.Length; i++)
            _lanes[i] = new Lane();
    }

    public int Count { get; private set; }

    /// <summary>Octets of their bodies.</summary>
    public long Bytes { get; private set; }

    /// <summary>Octets of their bodies and properties.</summary>
    public long HeldBytes { get; private set; }

    public IEnumerable<QueueEntry> All => [.. _returned.All, .. _lanes.Reverse().SelectMany(lane => lane.All)];

    public void Append(QueueEntry entry)
    {
        Lane(entry).Append(entry);
        Added(entry);
    }

    public void Return(QueueEntry entry)
    {
        Lane(entry).Return(entry);
        Added(entry);
    }

    /// <summary>Puts an entry before all that never went out, behind those that came back before it.</summary>
    public void ReturnFirst(QueueEntry entry)
    {
        _returned.Append(entry);
        Added(entry);
    }

    /// <summary>The entry whose turn it is; null when there is none.</summary>
    public QueueEntry? Next => Count == 0 ? null : NextLane().First;

    public QueueEntry Take()
    {
        Lane lane = NextLane();
        // Turns count whether or not both lanes have something, as in RabbitMQ.
        if (_takesTurns && lane != _returned)
            _turns = _turns == QuorumWeight ? 0 : _turns + 1;
        QueueEntry entry = lane.Take();
        Count--;
        Bytes -= entry.Message.Size;
        HeldBytes -= entry.Message.HeldBytes;
        return entry;
    }

    private Lane NextLane()
    {
        if (_returned.Count > 0)
            return _returned;
        if (_takesTurns)
            return QuorumTurn();
        for (int i = _lanes.Length - 1; i > 0; i--)
            if (_lanes[i].Count > 0)
                return _lanes[i];
        return _lanes[0];
    }

    /// <summary>A low priority's turn is left out while what is high came before it.</summary>
    private Lane QuorumTurn()
    {
        (Lane low, Lane high) = (_lanes[0], _lanes[1]);
        bool isTurnOfLow = high.Count == 0
            || low.Count > 0 && _turns == QuorumWeight && low.First.Position < high.First.Position;
        return isTurnOfLow ? low : high;
    }

    private void Added(QueueEntry entry)
    {
        Count++;
        Bytes += entry.Message.Size;
        HeldBytes += entry.Message.HeldBytes;
    }

    private Lane Lane(QueueEntry entry)
    {
        int priority = entry.Message.Properties.Priority;
        return _lanes[_takesTurns ? priority >= QuorumHigh ? 1 : 0 : Math.Min(priority, _lanes.Length - 1)];
    }
}

/// <summary>A ring of entries in order of position.</summary>
internal sealed class Lane
{
    private QueueEntry[] _ring = new QueueEntry[4];
    private int _head;

    public int Count { get; private set; }

    public QueueEntry First => _ring[_head];

    public IEnumerable<QueueEntry> All => Enumerable.Range(0, Count).Select(i => this[i]);

    private QueueEntry this[int index]
    {
        get => _ring[(_head + index) & (_ring.Length - 1)];
        set => _ring[(_head + index) & (_ring.Length - 1)] = value;
    }

    public void Append(QueueEntry entry)
    {
        Grow();
        this[Count++] = entry;
    }

    /// <summary>Puts an entry where its position belongs; the fewer ones on one side of it make room.</summary>
    public void Return(QueueEntry entry)
    {
        Grow();
        int place = Place(entry.Position);
        if (place <= Count / 2)
        {
            _head = (_head - 1) & (_ring.Length - 1);
            for (int i = 0; i < place; i++)
                this[i] = this[i + 1];
        }
        else
        {
            for (int i = Count; i > place; i--)
                this[i] = this[i - 1];
        }
        Count++;
        this[place] = entry;
    }

    public QueueEntry Take()
    {
        QueueEntry entry = this[0];
        this[0] = null!;
        _head = (_head + 1) & (_ring.Length - 1);
        Count--;
        return entry;
    }

    private int Place(long position)
    {
        int low = 0, high = Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (this[middle].Position < position) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    private void Grow()
    {
        if (Count < _ring.Length)
            return;
        var larger = new QueueEntry[_ring.Length * 2];
        for (int i = 0; i < Count; i++)
            larger[i] = this[i];
        _ring = larger;
        _head = 0;
    }
}
