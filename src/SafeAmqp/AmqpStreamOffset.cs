namespace SafeAmqp;

/// <summary>Where a consumer begins to read a stream (<c>x-stream-offset</c>). After a lost link or channel it goes on
/// behind what it has settled, wherever it began.</summary>
public sealed class AmqpStreamOffset
{
    private readonly string _text;

    private AmqpStreamOffset(object wireValue, string text) => (WireValue, _text) = (wireValue, text);

    /// <summary>At the oldest message that the stream still has.</summary>
    public static AmqpStreamOffset First { get; } = new("first", "first");

    /// <summary>At the newest chunk: the messages that the stream wrote at once, of which the last is its
    /// newest.</summary>
    public static AmqpStreamOffset Last { get; } = new("last", "last");

    /// <summary>At what is published from now on. The broker's default.</summary>
    public static AmqpStreamOffset Next { get; } = new("next", "next");

    /// <summary>At an offset; at the oldest message where that is not there any more.</summary>
    /// <param name="offset">0 or more.</param>
    /// <returns>The offset.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative.</exception>
    public static AmqpStreamOffset At(long offset)
    {
        Check.Range(offset, 0, long.MaxValue, nameof(offset));
        return new AmqpStreamOffset(offset, $"offset {offset}");
    }

    /// <summary>At the chunk that was written at a time: messages may come that are a little older.</summary>
    /// <param name="time">The time; whole seconds on the wire.</param>
    /// <returns>The offset.</returns>
    public static AmqpStreamOffset At(DateTimeOffset time) => new(time, $"{time:O}");

    internal object WireValue { get; }

    /// <summary>Names it.</summary>
    /// <returns>A few words.</returns>
    public override string ToString() => _text;
}
