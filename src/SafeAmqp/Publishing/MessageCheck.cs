using System.Collections;
using System.Text;

namespace SafeAmqp.Publishing;

/// <summary>
/// Refuses what the broker would answer with a closed channel or connection, before anything is sent.
/// </summary>
internal static class MessageCheck
{
    /// <summary>
    /// The content header must fit one frame of the smallest size that RabbitMQ is usually set to; 16 KiB are left for
    /// the other properties.
    /// </summary>
    private const int MaxHeaderBytes = Wire.FrameFormat.MaxFrameSize - (16 << 10);

    internal static void Validate(AmqpMessage message, long maxSize)
    {
        Check.NotNull(message, nameof(message));
        if (message.Body.Length > maxSize)
            throw new ArgumentException($"Body must be at most {maxSize} bytes (MaxMessageSize), not "
                + $"{message.Body.Length}.", nameof(message));
        Check.ShortString(message.Exchange, nameof(message.Exchange));
        Check.ShortString(message.RoutingKey, nameof(message.RoutingKey));
        Check.OptionalShortString(message.ContentType, nameof(message.ContentType));
        Check.OptionalShortString(message.ContentEncoding, nameof(message.ContentEncoding));
        Check.OptionalShortString(message.CorrelationId, nameof(message.CorrelationId));
        Check.OptionalShortString(message.ReplyTo, nameof(message.ReplyTo));
        Check.OptionalShortString(message.MessageId, nameof(message.MessageId));
        Check.OptionalShortString(message.Type, nameof(message.Type));
        Check.OptionalShortString(message.UserId, nameof(message.UserId));
        Check.OptionalShortString(message.AppId, nameof(message.AppId));
        if (message.Expiration is { } expiration)
            Check.Range(expiration, TimeSpan.Zero, TimeSpan.FromMilliseconds(uint.MaxValue),
                nameof(message.Expiration));
        if (message.Headers is not { Count: > 0 } headers)
            return;
        Check.Headers(headers, nameof(message.Headers));
        long bytes = TableBytes(headers);
        if (bytes > MaxHeaderBytes)
            throw new ArgumentException($"Headers must be at most {MaxHeaderBytes} bytes together, not {bytes}: they "
                + $"must fit one frame.", nameof(message.Headers));
    }

    // Sizes of field values: AMQP 0-9-1, section 4.2.1; fixed-size ones are counted as 9, the most that any takes.
    private static long TableBytes(IReadOnlyDictionary<string, object?> table)
    {
        long bytes = 4;
        foreach (var (key, value) in table)
            bytes += 1 + Encoding.UTF8.GetByteCount(key) + ValueBytes(value);
        return bytes;
    }

    private static long ValueBytes(object? value) => value switch
    {
        string text => 5 + Encoding.UTF8.GetByteCount(text),
        byte[] bytes => 5 + bytes.Length,
        IReadOnlyDictionary<string, object?> table => 1 + TableBytes(table),
        IList list => 5 + list.Cast<object?>().Sum(ValueBytes),
        _ => 9,
    };
}
