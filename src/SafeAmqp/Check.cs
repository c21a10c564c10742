using System.Collections;
using System.Text;

namespace SafeAmqp;

/// <summary>Argument checks: each names the argument and says what would be right.</summary>
internal static class Check
{
    /// <summary>AMQP 0-9-1 short strings carry one length byte (section 4.2.5.3).</summary>
    internal const int MaxShortString = 255;

    private const int MaxHeaderDepth = 8, LengthBytes = 4;

    internal static void Range<T>(T value, T min, T max, string name) where T : struct, IComparable<T>
    {
        if (value.CompareTo(min) < 0 || value.CompareTo(max) > 0)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be from {min} to {max}.");
    }

    internal static void Defined<T>(T value, string name) where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw new ArgumentOutOfRangeException(name, value,
                $"{name} must be one of {string.Join(", ", Enum.GetNames<T>())}.");
    }

    internal static void Name(string value, string name)
    {
        ShortString(value, name);
        if (value.Length == 0)
            throw new ArgumentException($"{name} must not be empty.", name);
    }

    internal static void ShortString(string? value, string name)
    {
        ArgumentNullException.ThrowIfNull(value, name);
        OptionalShortString(value, name);
    }

    internal static void OptionalShortString(string? value, string name)
    {
        // Servers and tools written in C end a name there.
        if (value is not null && value.Contains('\0'))
            throw new ArgumentException($"{name} must not contain the character NUL.", name);
        // Three bytes are the most that one UTF-16 unit takes: most names need no count.
        if (value is null || value.Length <= MaxShortString / 3)
            return;
        int bytes = Encoding.UTF8.GetByteCount(value);
        if (bytes > MaxShortString)
            throw new ArgumentException($"{name} must be at most {MaxShortString} bytes of UTF-8, not {bytes}.", name);
    }

    // Without a sign on the wire (AMQP 0-9-1, section 4.2.5.4): to others an earlier one is in a far future, or the end
    // of their connection.
    internal static void Time(DateTimeOffset time, string name, string instead = "send it as text")
    {
        if (time < DateTimeOffset.UnixEpoch)
            throw new ArgumentException($"{name} must not be before 1970, where AMQP's times begin: {instead}.", name);
    }

    /// <returns>Their size in bytes (AMQP 0-9-1, section 4.2.1): what is of a fixed size counts as 9, the most that any
    /// takes.</returns>
    internal static long Headers(IReadOnlyDictionary<string, object?>? headers, string name)
    {
        long bytes = LengthBytes;
        if (headers is not null)
        {
            foreach (var (key, value) in headers)
                bytes += Header(key, value, $"{name}['{key}']", 1);
        }
        return bytes;
    }

    private static long Header(string key, object? value, string name, int depth)
    {
        OptionalShortString(key, name);
        return 1 + Encoding.UTF8.GetByteCount(key) + HeaderValue(value, name, depth);
    }

    private static long HeaderValue(object? value, string name, int depth)
    {
        const int fixedSize = 9;
        long bytes = 1 + LengthBytes;
        if (depth > MaxHeaderDepth)
            throw new ArgumentException($"{name} must be nested at most {MaxHeaderDepth} deep.", name);
        switch (value)
        {
            case double.NaN or double.PositiveInfinity or double.NegativeInfinity
                or float.NaN or float.PositiveInfinity or float.NegativeInfinity:
                throw new ArgumentException($"{name} must be a finite number: RabbitMQ has no others, and closes the "
                    + $"connection over them.", name);
            case DateTimeOffset time:
                Time(time, name);
                return fixedSize;
            case string text:
                return bytes + Encoding.UTF8.GetByteCount(text);
            case byte[] octets:
                return bytes + octets.Length;
            case null or bool or byte or sbyte or short or ushort or int or uint or long or float or double:
                return fixedSize;
            case ulong large when large > long.MaxValue:
                throw new ArgumentException($"{name} must be at most {long.MaxValue}: AMQP tables carry signed "
                    + $"64-bit integers.", name);
            // One byte of scale and a 32-bit integer of digits (AMQP 0-9-1, section 4.2.5.6).
            case decimal number when decimal.GetBits(number) is var bits
                && (bits[1] != 0 || bits[2] != 0 || (bits[0] < 0 && (bits[0] != int.MinValue || bits[3] >= 0))):
                throw new ArgumentException($"{name} must have digits that fit a 32-bit integer, which is what AMQP "
                    + $"tables carry of a decimal.", name);
            case ulong or decimal:
                return fixedSize;
            case IReadOnlyDictionary<string, object?> table:
                foreach (var (key, item) in table)
                    bytes += Header(key, item, name, depth + 1);
                return bytes;
            case System.Collections.IDictionary:
                throw new ArgumentException($"{name} must be a dictionary of string to object?.", name);
            case System.Collections.IList list:
                foreach (object? item in list)
                    bytes += HeaderValue(item, name, depth + 1);
                return bytes;
            default:
                throw new ArgumentException($"{name} has the type {value.GetType().Name}, which AMQP tables cannot "
                    + $"carry. " +
                    "Use a string, bool, integer, floating point, decimal, DateTimeOffset, byte array, list or "
                        + "dictionary.", name);
        }
    }
}

/// <summary>Finds what a misspelt name was meant to be.</summary>
internal static class NearNames
{
    private const int MostShown = 3;

    /// <summary>The names that differ from the given one by a few letters, or that contain it, nearest first.</summary>
    internal static List<string> Of(string name, IEnumerable<string> known)
    {
        // One letter in three: "Heartbeet" is near "Heartbeat", "Port" is not near "Hosts".
        int most = Math.Max(1, name.Length / 3);
        return [.. known
            .Select(candidate => (Name: candidate,
                Distance: Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant())))
            .Where(near => near.Distance <= most || Contain(near.Name, name))
            .OrderBy(near => near.Distance)
            .ThenBy(near => near.Name, StringComparer.Ordinal)
            .Take(MostShown)
            .Select(near => near.Name)];
    }

    private static bool Contain(string one, string other)
        => Math.Min(one.Length, other.Length) > 2
            && (one.Contains(other, StringComparison.OrdinalIgnoreCase)
                || other.Contains(one, StringComparison.OrdinalIgnoreCase));

    // Levenshtein's distance, two rows at a time.
    private static int Distance(string from, string to)
    {
        int[] previous = [.. Enumerable.Range(0, to.Length + 1)];
        int[] current = new int[to.Length + 1];
        for (int i = 1; i <= from.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = previous[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                current[j] = Math.Min(replaced, Math.Min(previous[j], current[j - 1]) + 1);
            }
            (previous, current) = (current, previous);
        }
        return previous[to.Length];
    }
}

/// <summary>Refuses what the broker would answer with a closed channel or connection, before anything is
/// sent.</summary>
internal static class MessageCheck
{
    /// <summary>The content header must fit one frame of the smallest size that RabbitMQ is usually set to; 16 KiB are
    /// left for the other properties.</summary>
    private const int MaxHeaderBytes = Wire.FrameFormat.MaxFrameSize - (16 << 10);

    /// <summary>The headers with further routing keys.</summary>
    internal static readonly string[] RoutingHeaders = ["CC", "BCC"];

    internal static void Validate(AmqpMessage message, long maxSize)
    {
        ArgumentNullException.ThrowIfNull(message);
        Validate(new Outgoing(message), maxSize);
    }

    /// <summary>A request goes with a reply address of its caller's client, whatever its own is.</summary>
    internal static void ValidateRequest(AmqpMessage request, long maxSize)
    {
        ArgumentNullException.ThrowIfNull(request);
        Validate(new Outgoing(request), maxSize, isRequest: true);
    }

    internal static void Validate(in Outgoing outgoing, long maxSize, bool isRequest = false)
    {
        AmqpMessage message = outgoing.Message;
        if (message.Body.Length > maxSize)
            throw new ArgumentException($"Body must be at most {maxSize} bytes (MaxMessageSize), not "
                + $"{message.Body.Length}.", nameof(message));
        Check.ShortString(outgoing.Exchange, nameof(message.Exchange));
        bool isAnswer = outgoing.Answers is not null; // its caller chose the address and the id
        if (!isAnswer)
            Check.ShortString(outgoing.RoutingKey, nameof(message.RoutingKey));
        if (message is { PassedOn: not null, Received.IsEmpty: false })
            return; // its properties came from the wire and go back as they are
        if (!isAnswer)
            Check.OptionalShortString(outgoing.CorrelationId, nameof(message.CorrelationId));
        Check.OptionalShortString(message.ContentType, nameof(message.ContentType));
        Check.OptionalShortString(message.ContentEncoding, nameof(message.ContentEncoding));
        Check.OptionalShortString(outgoing.ReplyTo, nameof(message.ReplyTo));
        if (outgoing.ReplyTo == AmqpReplyAddress.PseudoQueue && !isRequest)
            throw new ArgumentException($"ReplyTo must not be {AmqpReplyAddress.PseudoQueue}: RabbitMQ closes the "
                + $"channel of a publisher that does not consume it. Use {nameof(IAmqpClient.CallAsync)} with "
                + $"{nameof(AmqpReplyAddress)}.{nameof(AmqpReplyAddress.Direct)}.", nameof(message.ReplyTo));
        Check.OptionalShortString(message.MessageId, nameof(message.MessageId));
        Check.OptionalShortString(message.Type, nameof(message.Type));
        Check.OptionalShortString(message.UserId, nameof(message.UserId));
        Check.OptionalShortString(message.AppId, nameof(message.AppId));
        if (outgoing.Expiration is { } expiration)
            Check.Range(expiration, TimeSpan.Zero, TimeSpan.FromMilliseconds(uint.MaxValue),
                nameof(message.Expiration));
        if (message.Timestamp is { } timestamp)
            Check.Time(timestamp, nameof(message.Timestamp));
        if (message.Headers is not { Count: > 0 } headers)
            return;
        long bytes = Check.Headers(headers, nameof(message.Headers));
        RoutingKeys(headers);
        if (bytes > MaxHeaderBytes)
            throw new ArgumentException($"Headers must be at most {MaxHeaderBytes} bytes together, not {bytes}: they "
                + $"must fit one frame.", nameof(message.Headers));
    }

    // Over anything that is no list RabbitMQ closes the channel, and it passes over what in a list is no text.
    private static void RoutingKeys(IReadOnlyDictionary<string, object?> headers)
    {
        foreach (string name in RoutingHeaders)
        {
            if (headers.TryGetValue(name, out object? keys)
                && !(keys is IList list and not byte[] && list.Cast<object?>().All(key => key is string)))
                throw new ArgumentException($"{nameof(AmqpMessage.Headers)}['{name}'] must be a list of strings, which "
                    + $"are further routing keys.", nameof(AmqpMessage.Headers));
        }
    }
}
