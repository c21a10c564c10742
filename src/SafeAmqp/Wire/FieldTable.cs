using System.Collections;

namespace SafeAmqp.Wire;

/// <summary>Writes header tables with RabbitMQ's types (its errata to AMQP 0-9-1, section 4.2.1), and of these only
/// such as clients of all languages read alike. <see cref="Check.Headers"/> has refused all others.</summary>
/// <remarks>pika and py-amqp take 8 bits for a number of the opposite signedness and 64 for one without a sign, and
/// py-amqp takes 16 with a sign for a string. All read 32 bits alike, and binary values as bytes.</remarks>
internal static class FieldTable
{
    /// <summary>Carries a mandatory message's place in the ledger, so that a return finds its publish. Taken off again
    /// on delivery.</summary>
    internal const string SlotHeader = "x-safeamqp-slot";

    /// <summary>The same as UTF-8.</summary>
    internal static ReadOnlySpan<byte> SlotHeaderName => "x-safeamqp-slot"u8;

    /// <summary><see cref="Outgoing.DeadlineHeader"/> as UTF-8.</summary>
    private static ReadOnlySpan<byte> DeadlineHeaderName => "x-safeamqp-deadline"u8;

    /// <summary>Writes the headers of a message, its slot in the ledger when it has one, and its caller's
    /// deadline.</summary>
    internal static void Write(FrameBuffer to, IReadOnlyDictionary<string, object?>? headers, int slot,
        long? deadline = null)
    {
        int at = to.BeginSized();
        WriteEntries(to, headers, slot, deadline);
        to.EndSized(at);
    }

    /// <summary>The same without the size before it.</summary>
    internal static void WriteEntries(FrameBuffer to, IReadOnlyDictionary<string, object?>? headers, int slot,
        long? deadline = null)
    {
        if (slot >= 0) // first, so that it is found whatever stands behind it
        {
            to.ShortBytes(SlotHeaderName);
            Value(to, 'I', (uint)slot);
        }
        if (deadline is { } time)
        {
            to.ShortBytes(DeadlineHeaderName);
            to.Octet((byte)'l');
            to.LongLong((ulong)time);
        }
        if (headers is null)
            return;
        foreach (var (name, value) in headers)
        {
            if ((slot >= 0 && name == SlotHeader) || (deadline is not null && name == Outgoing.DeadlineHeader))
                continue; // of an earlier journey
            to.ShortString(name);
            Value(to, value);
        }
    }

    private static void Value(FrameBuffer to, object? value)
    {
        switch (value)
        {
            case null: to.Octet((byte)'V'); break;
            case string text: to.Octet((byte)'S'); to.LongString(text); break;
            case byte[] bytes: to.Octet((byte)'x'); to.Long((uint)bytes.Length); to.Bytes(bytes); break;
            case bool flag: to.Octet((byte)'t'); to.Octet(flag ? (byte)1 : (byte)0); break;
            case byte number: Value(to, 'I', number); break;
            case sbyte number: Value(to, 'I', (uint)number); break;
            case short number: Value(to, 'I', (uint)number); break;
            case ushort number: to.Octet((byte)'u'); to.Short(number); break;
            case int number: Value(to, 'I', (uint)number); break;
            case uint number: Value(to, 'i', number); break;
            case long number and < 0 and >= int.MinValue: Value(to, 'I', (uint)number); break;
            case long number: to.Octet((byte)'l'); to.LongLong((ulong)number); break;
            case ulong number: to.Octet((byte)'l'); to.LongLong(number); break;
            case float number: Value(to, 'f', BitConverter.SingleToUInt32Bits(number)); break;
            case double number: to.Octet((byte)'d'); to.LongLong(BitConverter.DoubleToUInt64Bits(number)); break;
            case decimal number: Decimal(to, number); break;
            case DateTimeOffset time: to.Octet((byte)'T'); to.LongLong((ulong)time.ToUnixTimeSeconds()); break;
            case IReadOnlyDictionary<string, object?> table: to.Octet((byte)'F'); Write(to, table, slot: -1); break;
            case IList list: to.Octet((byte)'A'); Array(to, list); break;
            default: throw new InvalidOperationException($"AMQP tables have no type for {value.GetType().Name}.");
        }
    }

    private static void Value(FrameBuffer to, char type, uint value)
    {
        to.Octet((byte)type);
        to.Long(value);
    }

    // The digits are a two's complement (AMQP 0-9-1, section 4.2.5.6).
    private static void Decimal(FrameBuffer to, decimal number)
    {
        Span<int> parts = stackalloc int[4];
        decimal.GetBits(number, parts);
        to.Octet((byte)'D');
        to.Octet((byte)(parts[3] >> 16));
        to.Long((uint)(number < 0 ? -parts[0] : parts[0]));
    }

    private static void Array(FrameBuffer to, IList list)
    {
        int at = to.BeginSized();
        foreach (object? item in list)
            Value(to, item);
        to.EndSized(at);
    }
}

/// <summary>The headers of a message that was received, without its slot. They are read when they are asked for: most
/// messages are handled without.</summary>
internal sealed class ReceivedHeaders(ReadOnlyMemory<byte> table) : IReadOnlyDictionary<string, object?>
{
    private Dictionary<string, object?>? _all; // once more was asked for than single ones

    public int Count => All.Count;

    public IEnumerable<string> Keys => All.Keys;

    public IEnumerable<object?> Values => All.Values;

    public object? this[string key] => All[key];

    private Dictionary<string, object?> All
        => _all ??= new FieldReader(table.Span).Entries(except: FieldTable.SlotHeaderName);

    public bool ContainsKey(string key) => TryGetValue(key, out _);

    public bool TryGetValue(string key, out object? value)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (_all is { } all)
            return all.TryGetValue(key, out value);
        value = null;
        return key != FieldTable.SlotHeader && new FieldReader(table.Span).TryFind(key, out value);
    }

    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => All.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Properties as octets: to look one up, and to pass a message on without decoding it.</summary>
internal static class RawContent
{
    // From bit 15 down, s for a short string, T for the headers, a digit for so many bytes: content type, encoding,
    // headers, delivery mode, priority, correlation id, reply to, expiration, message id, timestamp, type, user id, app
    // id, cluster id.
    private static ReadOnlySpan<byte> Kinds => "ssT11ssss8ssss"u8;

    /// <returns>The value of the property with that flag; null when there is none.</returns>
    internal static ReadOnlyMemory<byte>? Find(ReadOnlyMemory<byte> properties, int bit)
    {
        var reader = new FieldReader(properties.Span);
        int flags = reader.Short(), at = 2;
        for (int other = 15; other >= bit; other--)
        {
            if ((flags & (1 << other)) == 0)
                continue;
            ReadOnlySpan<byte> field = Take(ref reader, other, out int lengthBytes);
            if (other == bit)
                return properties.Slice(at + lengthBytes, field.Length - lengthBytes);
            at += field.Length;
        }
        return null;
    }

    /// <summary>Writes properties as they came, but for what is different about the message.</summary>
    internal static void Write(FrameBuffer to, ReadOnlySpan<byte> properties, PassedOn different, int slot)
    {
        var reader = new FieldReader(properties);
        int flags = reader.Short(), at = to.SkipShort(), written = 1 << (int)AmqpProperty.Headers;
        for (int bit = 15; bit >= 2; bit--)
        {
            ReadOnlySpan<byte> field = (flags & (1 << bit)) == 0 ? default : Take(ref reader, bit, out _);
            if (bit == (int)AmqpProperty.Headers)
            {
                Headers(to, different.Without.Contains(AmqpProperty.Headers) ? default : field, different, slot);
            }
            else if (!field.IsEmpty && !different.Without.Contains((AmqpProperty)bit))
            {
                written |= 1 << bit;
                to.Bytes(field);
            }
        }
        to.SetShort(at, (ushort)written);
    }

    private static void Headers(FrameBuffer to, ReadOnlySpan<byte> table, PassedOn different, int slot)
    {
        int at = to.BeginSized();
        FieldTable.WriteEntries(to, different.Added, slot);
        for (var reader = new FieldReader(table.IsEmpty ? table : table[4..]); !reader.IsAtEnd;)
        {
            ReadOnlySpan<byte> rest = reader.Rest;
            string name = reader.ShortString();
            reader.SkipValue();
            if (!different.Added.ContainsKey(name) && !different.Dropped.Contains(name))
                to.Bytes(rest[..(rest.Length - reader.Rest.Length)]);
        }
        to.EndSized(at);
    }

    /// <summary>Takes the property with that flag, with the length before it.</summary>
    internal static ReadOnlySpan<byte> Take(ref FieldReader reader, int bit, out int lengthBytes)
    {
        ReadOnlySpan<byte> rest = reader.Rest;
        byte kind = Kinds[15 - bit];
        lengthBytes = kind switch { (byte)'s' => 1, (byte)'T' => 4, _ => 0 };
        if (kind == (byte)'s')
            reader.ShortBytes();
        else if (kind == (byte)'T')
            reader.LongBytes();
        else
            reader.Skip(kind - '0');
        return rest[..(rest.Length - reader.Rest.Length)];
    }
}
