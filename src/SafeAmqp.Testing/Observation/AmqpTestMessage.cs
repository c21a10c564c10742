using System.Text;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing;

/// <summary>A message as the broker has it.</summary>
public sealed class AmqpTestMessage
{
    private readonly Message _message;

    internal AmqpTestMessage(Message message, bool redelivered = false, bool unacknowledged = false)
    {
        _message = message;
        Redelivered = redelivered;
        IsUnacknowledged = unacknowledged;
    }

    /// <summary>The exchange that it was published to.</summary>
    public string Exchange => _message.Exchange;

    /// <summary>The routing key that it was published with.</summary>
    public string RoutingKey => _message.RoutingKey;

    internal int HeldBytes => _message.HeldBytes;

    /// <summary>The body; not to be changed.</summary>
    public ReadOnlyMemory<byte> Body => _message.Body;

    /// <summary>The body as UTF-8 text.</summary>
    public string Text => Encoding.UTF8.GetString(_message.Body);

    /// <summary>The property <c>message-id</c>.</summary>
    public string? MessageId => _message.Properties.MessageId;

    /// <summary>The property <c>correlation-id</c>.</summary>
    public string? CorrelationId => _message.Properties.CorrelationId;

    /// <summary>The property <c>reply-to</c>.</summary>
    public string? ReplyTo => _message.Properties.ReplyTo;

    /// <summary>The property <c>content-type</c>.</summary>
    public string? ContentType => _message.Properties.Text(ContentProperties.ContentType);

    /// <summary>The property <c>type</c>.</summary>
    public string? Type => _message.Properties.Text(ContentProperties.TypeIndex);

    /// <summary>The property <c>expiration</c>, in milliseconds.</summary>
    public string? Expiration => _message.Properties.Expiration;

    /// <summary>The property <c>priority</c>; 0 when there is none.</summary>
    public int Priority => _message.Properties.Priority;

    /// <summary>Whether its delivery mode is 2.</summary>
    public bool IsPersistent => _message.Properties.IsPersistent;

    /// <summary>In a queue: whether it was given out before.</summary>
    public bool Redelivered { get; }

    /// <summary>In a queue: whether a consumer has it and did not settle it.</summary>
    public bool IsUnacknowledged { get; }

    /// <summary>
    /// The headers: text as <see cref="string"/>, tables as dictionaries, arrays as lists, times in seconds since 1970.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Headers
        => _message.Properties.ReadHeaders().ToDictionary(entry => entry.Key, entry => Friendly(entry.Value));

    private static object? Friendly(object? value) => value switch
    {
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        ByteArray array => array.Bytes,
        TimestampField time => time.Seconds,
        DecimalField number => number.ToNumber(),
        NestedField nested => nested.Bytes,
        Dictionary<string, object?> table => table.ToDictionary(entry => entry.Key, entry => Friendly(entry.Value)),
        List<object?> list => list.Select(Friendly).ToList(),
        _ => value,
    };
}
