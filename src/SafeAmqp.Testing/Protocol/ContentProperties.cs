using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// The properties of a message as they came (AMQP 0-9-1, 2.3.5.2): kept as octets and passed on untouched, read only where the
/// broker itself has to know. Immutable, so messages with equal properties share one.
/// </summary>
internal sealed class ContentProperties
{
    public const int ContentType = 0, ContentEncoding = 1, HeadersIndex = 2, DeliveryMode = 3, PriorityIndex = 4, CorrelationIdIndex = 5, ReplyToIndex = 6,
        ExpirationIndex = 7, MessageIdIndex = 8, Timestamp = 9, TypeIndex = 10, UserIdIndex = 11, AppId = 12, ClusterId = 13;

    private const int Count = 14;

    /// <summary>What each property is on the wire: short string, table, octet, timestamp.</summary>
    private const string Kinds = "ssFoosssstssss";

    private readonly int[] _at = new int[Count];
    private Dictionary<string, object?>? _headers;

    private ContentProperties(byte[] raw) => Raw = raw;

    /// <summary>Property flags and list, exactly as they go back on the wire.</summary>
    public byte[] Raw { get; }

    public bool IsPersistent => _at[DeliveryMode] != 0 && Raw[_at[DeliveryMode]] == 2;

    /// <summary>0 when the publisher gave none.</summary>
    public byte Priority => _at[PriorityIndex] == 0 ? (byte)0 : Raw[_at[PriorityIndex]];

    public string? Expiration => Text(ExpirationIndex);

    public string? MessageId => Text(MessageIdIndex);

    public string? CorrelationId => Text(CorrelationIdIndex);

    public string? ReplyTo => Text(ReplyToIndex);

    public string? UserId => Text(UserIdIndex);

    public bool HasHeaders => _at[HeadersIndex] != 0;

    public Dictionary<string, object?> Headers => _headers ??= HasHeaders ? ReadHeaders() : FieldTable.Empty;

    /// <summary>Whether the headers could name further routing keys: a cheap look before they are decoded.</summary>
    public bool MayHaveCopies => HasHeaders && HeaderBytes().IndexOf("CC"u8) >= 0;

    /// <summary>Reads and checks a property list; every table in it is walked once, so that a bad one is refused at the door.</summary>
    public static ContentProperties Read(ReadOnlySpan<byte> raw)
    {
        var properties = new ContentProperties(raw.ToArray());
        properties.Walk();
        if (properties.HasHeaders)
            _ = properties.Headers;
        return properties;
    }

    /// <summary>The same properties with some of them replaced; null takes one away.</summary>
    public ContentProperties With(params ReadOnlySpan<(int Index, object? Value)> changes)
    {
        object?[] values = Values();
        foreach ((int index, object? value) in changes)
            values[index] = value;
        return Read(Encode(values));
    }

    /// <summary>Itself where the headers stand in the order of their names.</summary>
    public ContentProperties WithSortedHeaders()
    {
        if (!HasHeaders || Headers.Count < 2)
            return this;
        List<string> names = [.. Headers.Keys.Order(StringComparer.Ordinal)];
        return names.SequenceEqual(Headers.Keys)
            ? this
            : With((HeadersIndex, names.ToDictionary(name => name, name => Headers[name])));
    }

    public static byte[] Encode(object?[] values)
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
                case byte v: writer.Octet(v); break;
                case ulong v: writer.LongLong(v); break;
                case Dictionary<string, object?> v: writer.Table(v); break;
            }
        }
        return writer.Written.ToArray();
    }

    public object?[] Values()
    {
        var values = new object?[Count];
        for (int i = 0; i < Count; i++)
        {
            if (_at[i] == 0)
                continue;
            values[i] = Kinds[i] switch
            {
                's' => Text(i),
                'o' => Raw[_at[i]],
                't' => BinaryPrimitives.ReadUInt64BigEndian(Raw.AsSpan(_at[i])),
                _ => new Dictionary<string, object?>(Headers),
            };
        }
        return values;
    }

    public string? Text(int index)
    {
        int at = _at[index];
        return at == 0 ? null : Encoding.UTF8.GetString(Raw, at + 1, Raw[at]);
    }

    private void Walk()
    {
        if (Raw.Length < 2)
            throw Malformed();
        ushort flags = BinaryPrimitives.ReadUInt16BigEndian(Raw);
        // Bit 0 would continue the flags in another word, which class basic never needs.
        if ((flags & 3) != 0)
            throw Malformed();
        int at = 2;
        for (int i = 0; i < Count; i++)
        {
            if ((flags & 1 << (15 - i)) == 0)
                continue;
            int size = Size(Kinds[i], at);
            if (size > Raw.Length - at)
                throw Malformed();
            _at[i] = at;
            at += size;
        }
        if (at != Raw.Length)
            throw Malformed();
    }

    private int Size(char kind, int at)
    {
        int left = Raw.Length - at;
        switch (kind)
        {
            case 'o': return 1;
            case 't': return 8;
            case 's': return left < 1 ? throw Malformed() : 1 + Raw[at];
            default:
                uint size = left < 4 ? throw Malformed() : BinaryPrimitives.ReadUInt32BigEndian(Raw.AsSpan(at));
                return size > (uint)(left - 4) ? throw Malformed() : 4 + (int)size;
        }
    }

    private ReadOnlySpan<byte> HeaderBytes()
    {
        int at = _at[HeadersIndex];
        return Raw.AsSpan(at + 4, (int)BinaryPrimitives.ReadUInt32BigEndian(Raw.AsSpan(at)));
    }

    private Dictionary<string, object?> ReadHeaders() => FieldTable.Read(HeaderBytes());

    private AmqpError Malformed() => AmqpError.Undecodable(Raw);
}
