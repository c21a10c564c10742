namespace SafeAmqp.Consuming;

/// <summary>What a consumer knows of the stream that it reads: whether its queue is one, which messages it passes over,
/// and where to read on once its channel is lost. Only the actor uses it.</summary>
/// <remarks>Invariant: no offset that was delivered and not settled lies before the one that is read on from. What is
/// kept is bounded by the prefetch.</remarks>
internal sealed class StreamPosition(AmqpConsumerOptions options)
{
    private const string OffsetArgument = "x-stream-offset", OffsetHeader = "x-stream-offset";

    private readonly SortedSet<long> _unsettled = [];
    private long? _next; // behind the last that came; null before the first
    private long _incarnation;
    private bool _isNone; // whatever its messages' headers say
    private bool _isDeclared;

    /// <summary>Whether the queue is known to be a stream: it was declared as one, or is consumed as only one can be.
    /// Otherwise the offset of a delivery may be a header that its publisher has passed on from a stream.</summary>
    internal bool IsCertain { get; private set; }

    /// <summary>Whether anything has come, so that reading does not begin anew.</summary>
    internal bool HasBegun => _next is not null;

    /// <summary>A new channel begins to consume: what was not settled comes again.</summary>
    /// <param name="incarnation">The channel.</param>
    /// <param name="declared">How this client declared the queue, if it did.</param>
    /// <returns>The arguments of basic.consume.</returns>
    internal IReadOnlyDictionary<string, object?>? Begin(long incarnation, AmqpQueue? declared)
    {
        _incarnation = incarnation;
        IsCertain = declared is { IsStream: true } || options.Arguments?.ContainsKey(OffsetArgument) == true
            || options is { StreamOffset: not null } or { StreamFilter: not null };
        _isDeclared = declared is { Passive: false };
        if (!IsCertain && _isDeclared && !declared!.MayBeStream)
            SetNone();
        _next = _unsettled.Count > 0 ? _unsettled.Min : _next;
        _unsettled.Clear();
        if (options is { Priority: null, StreamOffset: null, StreamFilter: null } && _next is null)
            return options.Arguments;
        var arguments = options.Arguments is null ? [] : new Dictionary<string, object?>(options.Arguments);
        if (options.Priority is { } priority)
            arguments["x-priority"] = priority;
        if (options.StreamFilter is { } filter)
        {
            arguments["x-stream-filter"] = filter.ToList();
            arguments["x-stream-match-unfiltered"] = options.StreamMatchUnfiltered;
        }
        if ((_next ?? options.StreamOffset?.WireValue) is { } offset)
            arguments[OffsetArgument] = offset;
        return arguments;
    }

    /// <summary>Takes note of a delivery.</summary>
    /// <returns>Its offset; null when the queue is no stream.</returns>
    internal long? Delivered(AmqpMessage message, bool isRedelivered)
    {
        // A stream's deliveries all have one, in order, and none comes back to it.
        if (!_isNone && Header(message, OffsetHeader) is long offset
            && (IsCertain || (!isRedelivered && (_unsettled.Count == 0 || offset >= _next))))
        {
            _unsettled.Add(offset);
            _next = offset + 1;
            return offset;
        }
        if (!IsCertain)
            SetNone();
        return null;
    }

    /// <summary>Whether the consumer asked for a message. The broker filters by whole chunks, or not at all.</summary>
    internal bool IsWanted(AmqpMessage message) => options.StreamFilter is not { } filter
        || (Header(message, AmqpMessage.StreamFilterHeader) is string value ? filter.Contains(value)
            : options.StreamMatchUnfiltered);

    /// <summary>A delivery was settled, also if its channel is lost by now and the next has not begun.</summary>
    /// <returns>What the broker is told. A stream is passed over; what only may be one is told the truth, unless the
    /// broker would close the connection over it.</returns>
    internal AmqpSettlement Settled(long incarnation, long offset, AmqpSettlement settlement, Version? broker)
    {
        if (incarnation == _incarnation)
            _unsettled.Remove(offset);
        return !IsCertain && (_isDeclared || broker >= AmqpQueue.RabbitMq4) ? settlement : AmqpSettlement.Ack;
    }

    /// <summary>The broker refused the consumer: of an offset where its queue is no stream it says so.</summary>
    /// <returns>Whether that was the reason, and nothing but this had asked for one.</returns>
    internal bool Refuted(string refusal)
    {
        if (IsCertain || !HasBegun || !refusal.Contains(OffsetArgument, StringComparison.Ordinal))
            return false;
        SetNone();
        return true;
    }

    /// <summary>The queue is gone: whatever a new one has, its consumer has not seen.</summary>
    internal void Forget()
    {
        _unsettled.Clear();
        _next = HasBegun ? 0 : null;
        _isNone = false;
    }

    private void SetNone()
    {
        _isNone = true;
        _unsettled.Clear();
        _next = null;
    }

    private static object? Header(AmqpMessage message, string name) => message.Headers?.GetValueOrDefault(name);
}
