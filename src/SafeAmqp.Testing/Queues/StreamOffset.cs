using System.Globalization;

namespace SafeAmqp.Testing.Queues;

/// <summary>The forms that <c>x-stream-offset</c> has.</summary>
internal enum StreamOffsetKind
{
    /// <summary>The oldest message that is still there.</summary>
    First,

    /// <summary>The beginning of the last chunk.</summary>
    Last,

    /// <summary>What is published from now on.</summary>
    Next,

    /// <summary>A message's own number.</summary>
    Number,

    /// <summary>What was published from a time on.</summary>
    Time,

    /// <summary>What was published since so long ago.</summary>
    Ago,
}

/// <summary>Where a consumer of a stream begins.</summary>
internal readonly record struct StreamOffset(StreamOffsetKind Kind, long Number = 0, double Seconds = 0)
{
    public const string Header = "x-stream-offset";

    /// <exception cref="AmqpError">406 for an interval that is none, 541 for what is nothing of the kind.</exception>
    public static StreamOffset Read(Dictionary<string, object?> arguments, string queue)
    {
        if (!arguments.TryGetValue(Header, out object? value))
            return new StreamOffset(StreamOffsetKind.Next);
        if (value is TimestampField time)
            return new StreamOffset(StreamOffsetKind.Time, Seconds: Math.Min(time.Seconds, 200_000_000_000));
        if (FieldTable.Integer(value) is { } number)
            return new StreamOffset(StreamOffsetKind.Number, number);
        if (value is not byte[] octets)
            throw new AmqpError(ReplyCode.InternalError, "");
        switch (FieldTable.Text(octets))
        {
            case "first": return new StreamOffset(StreamOffsetKind.First);
            case "last": return new StreamOffset(StreamOffsetKind.Last);
            case "next": return new StreamOffset(StreamOffsetKind.Next);
        }
        if (Interval(octets) is { } interval)
            return new StreamOffset(StreamOffsetKind.Ago, Seconds: Math.Min(interval.TotalSeconds, 60_000_000_000));
        throw AmqpError.Precondition($"invalid arg '{Header}' for {queue}: "
            + $"{{invalid_stream_offset_arg,{{longstr,{ErlangText.Binary(octets)}}}}}");
    }

    /// <summary>
    /// A number of years (Y), months (M), days (D), hours (h), minutes (m) or seconds (s); null for none of these.
    /// </summary>
    /// <exception cref="AmqpError">541: it does not begin with a digit.</exception>
    public static TimeSpan? Interval(byte[] octets)
    {
        string text = FieldTable.Text(octets)!;
        int digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        if (digits == 0 || text.Length == 0)
            throw new AmqpError(ReplyCode.InternalError, "");
        if (digits != text.Length - 1
            || !long.TryParse(text.AsSpan(0, digits), NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            || count == 0)
            return null;
        const int hour = 3600, day = 24 * hour;
        long seconds = text[digits] switch
        {
            'Y' => 365 * day,
            'M' => 30 * day,
            'D' => day,
            'h' => hour,
            'm' => 60,
            's' => 1,
            _ => 0,
        };
        return seconds == 0 ? null : TimeSpan.FromSeconds(Math.Min((double)count * seconds, 60_000_000_000));
    }
}
