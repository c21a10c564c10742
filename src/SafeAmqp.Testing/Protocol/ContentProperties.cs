using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// The properties of a message as they came (AMQP 0-9-1, 2.3.5.2): kept as octets and passed on untouched, read only
/// where the broker itself has to know. Immutable, so messages with equal properties share one.
/// </summary>
internal sealed class ContentProperties
{
    public const int ContentType = 0, ContentEncoding = 1, HeadersIndex = 2, DeliveryMode = 3, PriorityIndex = 4,
        CorrelationIdIndex = 5, ReplyToIndex = 6,
        ExpirationIndex = 7, MessageIdIndex = 8, Timestamp = 9, TypeIndex = 10, UserIdIndex = 11, AppId = 12,
        ClusterId = 13;

    private const int Count = 14;
    private const int ContinuationFlag = 1, UnusedFlag = 2;

    /// <summary>What each property is on the wire: short string, table, octet, timestamp.</summary>
    private const string Kinds = "ssFoosssstssss";

    private readonly int[] _at = new int[Count];

    private ContentProperties(byte[] raw) => Raw = raw;

    /// <summary>Property flags and list, exactly as they go back on the wire.</summary>
    public byte[] Raw { get; }

    /// <summary>null when the publisher gave none; 1 and 2 are those that the specification knows.</summary>
    public byte? Mode => _at[DeliveryMode] == 0 ? null : Raw[_at[DeliveryMode]];

    public bool IsPersistent => Mode == 2;

    /// <summary>0 when the publisher gave none.</summary>
    public byte Priority => _at[PriorityIndex] == 0 ? (byte)0 : Raw[_at[PriorityIndex]];

    public string? Expiration => Text(ExpirationIndex);

    public string? MessageId => Text(MessageIdIndex);

    public string? CorrelationId => Text(CorrelationIdIndex);

    public string? ReplyTo => Text(ReplyToIndex);

    public string? UserId => Text(UserIdIndex);

    public bool HasHeaders => _at[HeadersIndex] != 0;

    /// <summary>Whether the headers could name further routing keys: a cheap look before they are decoded.</summary>
    public bool MayHaveCopies => HasHeaders && HeaderBytes().IndexOf("CC"u8) >= 0;

    /// <summary>
    /// Reads and checks a property list; every table in it is walked once, so that a bad one is refused at the door.
    /// </summary>
    public static ContentProperties Read(ReadOnlySpan<byte> raw)
    {
        var properties = new ContentProperties(raw.ToArray());
        properties.Walk();
        if (properties.HasHeaders)
            _ = properties.ReadHeaders();
        return properties;
    }

    /// <summary>Decodes the headers, anew each time: many small values, kept, take more than ten times their
    /// octets.</summary>
    public Dictionary<string, object?> ReadHeaders() => HasHeaders ? FieldTable.Read(HeaderBytes()) : FieldTable.Empty;

    /// <summary>
    /// The same properties with some of them replaced; null takes one away. The others stay octet by octet.
    /// </summary>
    public ContentProperties With(params ReadOnlySpan<(int Index, object? Value)> changes)
    {
        object?[] values = new object?[Count];
        for (int i = 0; i < Count; i++)
            if (_at[i] != 0)
                values[i] = Raw.AsMemory(_at[i], Size(Kinds[i], _at[i]));
        foreach ((int index, object? value) in changes)
            values[index] = value;
        return Read(Encode(values));
    }

    /// <summary>
    /// As RabbitMQ 4 passes them on, which writes again what it has read: headers in the order of their names, each
    /// once; what is in tables and arrays stays as it came.
    /// </summary>
    public ContentProperties Normalized()
    {
        if ((Raw[1] & UnusedFlag) != 0)
            return With().Normalized();
        if (!HasHeaders)
            return this;
        byte[] octets = FieldWalk.Normalized((byte)'F', HeaderBytes());
        List<int> starts = [];
        FieldWalk.Check((byte)'F', octets, (entry, _, depth) =>
        {
            if (depth == 1)
                starts.Add(entry);
        });
        IEnumerable<byte[]> entries = starts.Zip(starts.Skip(1).Append(octets.Length), (from, to) => octets[from..to])
            .DistinctBy(Name).OrderBy(Name, StringComparer.Ordinal);
        byte[] sorted = [.. entries.SelectMany(entry => entry)];
        return sorted.AsSpan().SequenceEqual(HeaderBytes()) ? this : With((HeadersIndex, sorted));

        // Character by octet, so that names are compared octet by octet.
        static string Name(byte[] entry) => Encoding.Latin1.GetString(entry, 1, entry[0]);
    }

    public string? Text(int index)
    {
        int at = _at[index];
        return at == 0 ? null : Encoding.UTF8.GetString(Raw, at + 1, Raw[at]);
    }

    private static byte[] Encode(object?[] values)
    {
        var writer = new MethodWriter();
        ushort flags = 0;
        for (int i = 0; i < Count; i++)
            if (values[i] is not null)
                flags |= (ushort)(1 << (15 - i));
        writer.Short(flags);
        foreach (object? value in values)
        {
            switch (value)
            {
                case string v: writer.ShortString(v); break;
                case byte[] entries: writer.LongBytes(entries); break;
                case IReadOnlyDictionary<string, object?> v: writer.Table(v); break;
                case Memory<byte> asItCame: writer.Raw(asItCame.Span); break;
            }
        }
        return writer.Written.ToArray();
    }

    private void Walk()
    {
        if (Raw.Length < 2)
            throw AmqpError.Unreadable();
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(Raw);
        // It would continue the flags in another word, which class basic never needs.
        if ((flags & ContinuationFlag) != 0)
            throw AmqpError.Unreadable();
        int at = 2;
        for (int i = 0; i < Count; i++)
        {
            if ((flags & 1 << (15 - i)) == 0)
                continue;
            int size = Size(Kinds[i], at);
            if (size > Raw.Length - at)
                throw AmqpError.Unreadable();
            _at[i] = at;
            at += size;
        }
        if (at != Raw.Length)
            throw AmqpError.Unreadable();
    }

    private int Size(char kind, int at)
    {
        int left = Raw.Length - at;
        switch (kind)
        {
            case 'o': return 1;
            case 't': return 8;
            case 's': return left < 1 ? throw AmqpError.Unreadable() : 1 + Raw[at];
            default:
                uint size = left < 4 ? throw AmqpError.Unreadable() : BinaryPrimitives.ReadUInt32BigEndian(
                    Raw.AsSpan(at));
                return size > (uint)(left - 4) ? throw AmqpError.Unreadable() : 4 + (int)size;
        }
    }

    private ReadOnlySpan<byte> HeaderBytes()
    {
        int at = _at[HeadersIndex];
        return Raw.AsSpan(at + 4, (int)BinaryPrimitives.ReadUInt32BigEndian(Raw.AsSpan(at)));
    }
}
