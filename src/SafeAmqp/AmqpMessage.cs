using System.Runtime.CompilerServices;

namespace SafeAmqp;

/// <summary>A message with its address and its AMQP 0-9-1 basic properties. Immutable; change one with a <c>with</c>
/// expression. It is equal to itself alone: bodies are not compared.</summary>
/// <remarks>The body and the headers are not copied: leave them unchanged until the operation they were given to has
/// ended.</remarks>
public sealed record AmqpMessage
{
    /// <summary>The exchange. Empty is the default exchange, which routes to the queue named by
    /// <see cref="RoutingKey"/>.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: empty.</value>
    public string Exchange { get; init; } = "";

    /// <summary>The routing key.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: empty.</value>
    public string RoutingKey { get; init; } = "";

    /// <summary>The body.</summary>
    /// <value>From 0 bytes to <see cref="AmqpClientOptions.MaxMessageSize"/>. Default: empty.</value>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Whether a message that no queue receives is an error (<see cref="AmqpReturnedException"/>).</summary>
    /// <remarks>A mandatory message carries the header <c>x-safeamqp-slot</c>, a number by which its return is matched:
    /// a return names nothing else that tells two messages apart. SafeAmqp takes it off on delivery; other clients see
    /// it.</remarks>
    /// <value>Default: <see langword="true"/>.</value>
    public bool Mandatory { get; init; } = true;

    /// <summary>Whether a durable queue writes the message to disk (delivery mode 2).</summary>
    /// <value>Default: <see langword="true"/>.</value>
    public bool Persistent { get; init; } = true;

    /// <summary>The headers. Values: <see cref="string"/>, <see cref="bool"/>, integers up to
    /// <see cref="long.MaxValue"/>, finite floating point, <see cref="decimal"/> whose digits fit 32 bits,
    /// <see cref="DateTimeOffset"/> from 1970 on, byte arrays, and lists and string-keyed dictionaries of these to a
    /// depth of 8.</summary>
    /// <remarks>Integers of 8 bits, signed ones of 16, and negative ones that 32 bits hold go as <see cref="int"/>,
    /// which clients of all languages read alike. On a received message a time that <see cref="DateTimeOffset"/> cannot
    /// hold is its seconds since 1970 as <see cref="long"/>, and a decimal of more than 28 places is a
    /// <see cref="double"/>.</remarks>
    /// <value>Default: none. On a received message text is <see cref="string"/> when it is valid UTF-8, otherwise a
    /// byte array.</value>
    public IReadOnlyDictionary<string, object?>? Headers { get; init; }

    /// <summary>The MIME type of the body.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none.</value>
    public string? ContentType { get; init; }

    /// <summary>The MIME content encoding of the body.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none.</value>
    public string? ContentEncoding { get; init; }

    /// <summary>The priority, for queues with <c>x-max-priority</c>.</summary>
    /// <value>0 to 255. Default: none.</value>
    public byte? Priority { get; init; }

    /// <summary>The id that ties a reply to its request.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none; a call without one is given one that cannot be guessed. One
    /// that you set yourself must be used for one call only, and is as hard to guess as you make it.</value>
    public string? CorrelationId { get; init; }

    /// <summary>The queue to which a reply goes.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none; a call sets its own.</value>
    public string? ReplyTo { get; init; }

    /// <summary>How long the message may wait in a queue before the broker drops or dead-letters it; whole
    /// milliseconds.</summary>
    /// <value>Zero to 49 days. Default: none.</value>
    public TimeSpan? Expiration { get; init; }

    /// <summary>The id of the message.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none, except with <see cref="AmqpInFlightPolicy.Republish"/>, which
    /// sets one.</value>
    public string? MessageId { get; init; }

    /// <summary>When the message was made; whole seconds on the wire.</summary>
    /// <value>From 1970 on. Default: none.</value>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>The application's name for the kind of message.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none.</value>
    public string? Type { get; init; }

    /// <summary>The publishing user; the broker refuses a message whose user is not the connection's.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none.</value>
    public string? UserId { get; init; }

    /// <summary>The publishing application.</summary>
    /// <value>At most 255 bytes of UTF-8. Default: none.</value>
    public string? AppId { get; init; }

    /// <summary>A message for one queue, through the default exchange.</summary>
    /// <param name="queue">The queue's name.</param>
    /// <param name="body">The body.</param>
    /// <returns>The message: persistent, mandatory.</returns>
    public static AmqpMessage ToQueue(string queue, ReadOnlyMemory<byte> body)
        => new() { RoutingKey = queue, Body = body };

    /// <inheritdoc cref="ToQueue(string, ReadOnlyMemory{byte})"/>
    /// <exception cref="ArgumentNullException">The body is <see langword="null"/>: an empty one is
    /// <c>[]</c>.</exception>
    public static AmqpMessage ToQueue(string queue, byte[] body) => ToQueue(queue, Present(body));

    /// <summary>A message for an exchange.</summary>
    /// <param name="exchange">The exchange's name.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="body">The body.</param>
    /// <returns>The message: persistent, mandatory.</returns>
    public static AmqpMessage ToExchange(string exchange, string routingKey, ReadOnlyMemory<byte> body)
        => new() { Exchange = exchange, RoutingKey = routingKey, Body = body };

    /// <inheritdoc cref="ToExchange(string, string, ReadOnlyMemory{byte})"/>
    /// <exception cref="ArgumentNullException">The body is <see langword="null"/>.</exception>
    public static AmqpMessage ToExchange(string exchange, string routingKey, byte[] body)
        => ToExchange(exchange, routingKey, Present(body));

    /// <summary>A message for all listeners. That there are none is not an error.</summary>
    /// <param name="exchange">The exchange's name, most often of a fanout exchange.</param>
    /// <param name="body">The body.</param>
    /// <returns>The message: persistent, not mandatory.</returns>
    public static AmqpMessage Broadcast(string exchange, ReadOnlyMemory<byte> body) => Broadcast(exchange, "", body);

    /// <inheritdoc cref="Broadcast(string, ReadOnlyMemory{byte})"/>
    /// <exception cref="ArgumentNullException">The body is <see langword="null"/>.</exception>
    public static AmqpMessage Broadcast(string exchange, byte[] body) => Broadcast(exchange, "", Present(body));

    /// <summary>A message for all listeners to a routing key. That there are none is not an error.</summary>
    /// <param name="exchange">The exchange's name.</param>
    /// <param name="routingKey">The routing key.</param>
    /// <param name="body">The body.</param>
    /// <returns>The message: persistent, not mandatory.</returns>
    public static AmqpMessage Broadcast(string exchange, string routingKey, ReadOnlyMemory<byte> body)
        => new() { Exchange = exchange, RoutingKey = routingKey, Body = body, Mandatory = false };

    /// <inheritdoc cref="Broadcast(string, string, ReadOnlyMemory{byte})"/>
    /// <exception cref="ArgumentNullException">The body is <see langword="null"/>.</exception>
    public static AmqpMessage Broadcast(string exchange, string routingKey, byte[] body)
        => Broadcast(exchange, routingKey, Present(body));

    /// <summary>The octets of a property as they were received, for what its typed view does not show: text that is no
    /// UTF-8, an expiration that is no number, a time stamp in milliseconds, a delivery mode other than 1 and 2, a
    /// cluster id, the types of headers.</summary>
    /// <param name="property">The property.</param>
    /// <returns>Its value without a length before it: text, one octet, eight octets of a time stamp, or the entries of
    /// the headers. <see langword="null"/> when the message has none, or was not received.</returns>
    public ReadOnlyMemory<byte>? RawProperty(AmqpProperty property)
    {
        Check.Defined(property, nameof(property));
        return Received.IsEmpty ? null : Wire.RawContent.Find(Received, (int)property);
    }

    /// <summary>The flags and properties of the content header as they were received; empty for a message that was made
    /// here.</summary>
    internal ReadOnlyMemory<byte> Received { get; init; }

    /// <summary>Set when it passes a received message on: its properties leave as they came, but for this.</summary>
    internal PassedOn? PassedOn { get; init; }

    /// <summary>See <see cref="Outgoing.Answers"/>.</summary>
    internal AmqpMessage? Answers { get; init; }

    internal const string StreamFilterHeader = "x-stream-filter-value";

    /// <summary>The message with the value by which a stream's consumers may ask for it
    /// (<see cref="AmqpConsumerOptions.StreamFilter"/>): the header <c>x-stream-filter-value</c>.</summary>
    /// <param name="value">The value; at most 255 bytes of UTF-8.</param>
    /// <returns>The message, with its other headers.</returns>
    public AmqpMessage WithStreamFilterValue(string value)
    {
        Check.ShortString(value, nameof(value));
        var headers = Headers is null ? [] : new Dictionary<string, object?>(Headers);
        headers[StreamFilterHeader] = value;
        return this with { Headers = headers };
    }

    private static ReadOnlyMemory<byte> Present(byte[] body)
    {
        ArgumentNullException.ThrowIfNull(body); // which would convert into an empty one
        return body;
    }

    /// <inheritdoc/>
    public bool Equals(AmqpMessage? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);

    /// <summary>Names the address and the body's size; never the body or the headers.</summary>
    /// <returns>One line.</returns>
    public override string ToString()
        => $"message to exchange '{Exchange}', routing key '{RoutingKey}', {Body.Length} bytes";
}

/// <summary>A basic property of AMQP 0-9-1; its value is the number of its flag.</summary>
public enum AmqpProperty
{
    /// <summary>The cluster id, which is not used.</summary>
    ClusterId = 2,

    /// <summary><see cref="AmqpMessage.AppId"/>.</summary>
    AppId = 3,

    /// <summary><see cref="AmqpMessage.UserId"/>.</summary>
    UserId = 4,

    /// <summary><see cref="AmqpMessage.Type"/>.</summary>
    Type = 5,

    /// <summary><see cref="AmqpMessage.Timestamp"/>.</summary>
    Timestamp = 6,

    /// <summary><see cref="AmqpMessage.MessageId"/>.</summary>
    MessageId = 7,

    /// <summary><see cref="AmqpMessage.Expiration"/>.</summary>
    Expiration = 8,

    /// <summary><see cref="AmqpMessage.ReplyTo"/>.</summary>
    ReplyTo = 9,

    /// <summary><see cref="AmqpMessage.CorrelationId"/>.</summary>
    CorrelationId = 10,

    /// <summary><see cref="AmqpMessage.Priority"/>.</summary>
    Priority = 11,

    /// <summary>The delivery mode, of which <see cref="AmqpMessage.Persistent"/> is 2.</summary>
    DeliveryMode = 12,

    /// <summary><see cref="AmqpMessage.Headers"/>.</summary>
    Headers = 13,

    /// <summary><see cref="AmqpMessage.ContentEncoding"/>.</summary>
    ContentEncoding = 14,

    /// <summary><see cref="AmqpMessage.ContentType"/>.</summary>
    ContentType = 15,
}

/// <summary>What is different about a message that is passed on.</summary>
/// <param name="Added">Headers that it gets, or that replace its own.</param>
/// <param name="Dropped">Headers that it loses.</param>
/// <param name="Without">Properties that it loses.</param>
internal sealed record PassedOn(IReadOnlyDictionary<string, object?> Added, IReadOnlySet<string> Dropped,
    IReadOnlySet<AmqpProperty> Without);

/// <summary>A message as it leaves: with what a call or a reply puts in place of its address and its properties, and
/// without a copy of it.</summary>
internal readonly record struct Outgoing
{
    /// <summary>When the caller stops waiting: milliseconds since 1970-01-01 UTC, as a 64-bit integer.</summary>
    internal const string DeadlineHeader = "x-safeamqp-deadline";

    internal Outgoing(AmqpMessage message)
    {
        Message = message;
        (Exchange, RoutingKey, Mandatory) = (message.Exchange, message.RoutingKey, message.Mandatory);
        (CorrelationId, ReplyTo, Expiration) = (message.CorrelationId, message.ReplyTo, message.Expiration);
        Answers = message.Answers;
    }

    internal AmqpMessage Message { get; }
    internal string Exchange { get; init; }
    internal string RoutingKey { get; init; }
    internal bool Mandatory { get; init; }
    internal string? CorrelationId { get; init; }
    internal string? ReplyTo { get; init; }
    internal TimeSpan? Expiration { get; init; }

    /// <summary>Goes along as a header; null for none.</summary>
    internal long? Deadline { get; init; }

    /// <summary>The request that it answers: what its caller chose goes back octet by octet.</summary>
    internal AmqpMessage? Answers { get; init; }

    public static implicit operator Outgoing(AmqpMessage message) => new(message);

    internal AmqpMessage ToMessage()
    {
        IReadOnlyDictionary<string, object?>? headers = Message.Headers;
        if (Deadline is { } deadline)
            headers = new Dictionary<string, object?>(headers ?? new Dictionary<string, object?>())
            {
                [DeadlineHeader] = deadline,
            };
        return Message with
        {
            Exchange = Exchange,
            RoutingKey = RoutingKey,
            Mandatory = Mandatory,
            CorrelationId = CorrelationId,
            ReplyTo = ReplyTo,
            Expiration = Expiration,
            Headers = headers,
            Answers = Answers,
        };
    }
}
