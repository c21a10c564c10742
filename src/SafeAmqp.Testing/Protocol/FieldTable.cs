using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>A long string that is not text for sure: field type <c>x</c>, RabbitMQ's byte array.</summary>
internal sealed record ByteArray(byte[] Bytes);

/// <summary>Field type <c>D</c>: a number and how many of its digits stand behind the point.</summary>
internal readonly record struct DecimalField(byte Scale, int Value)
{
    /// <summary>
    /// As <see cref="decimal"/>, or <see cref="double"/> where it has more digits behind the point than one holds.
    /// </summary>
    public object ToNumber() => Scale <= 28
        ? new decimal(unchecked((int)Math.Abs((long)Value)), 0, 0, Value < 0, Scale)
        : Value * Math.Pow(10, -Scale);
}

/// <summary>Field type <c>T</c>: seconds since 1970.</summary>
internal readonly record struct TimestampField(ulong Seconds);

/// <summary>
/// A table (<c>F</c>) or array (<c>A</c>) that is not taken apart, because it lies too deep or has a name twice:
/// checked, and kept as it came.
/// </summary>
internal sealed record NestedField(byte Type, byte[] Bytes);

/// <summary>
/// Reads field tables with the types that RabbitMQ reads (its errata to AMQP 0-9-1, 4.2.1). A long string stays
/// <c>byte[]</c>: it need not be UTF-8, and a dead-lettered message must come out as it went in.
/// </summary>
internal static class FieldTable
{
    /// <summary>
    /// RabbitMQ sets no limit. Deeper ones are kept as octets, so that no peer decides how much stack is needed to
    /// read, compare or write them.
    /// </summary>
    private const int MaxDepth = 64;

    public static Dictionary<string, object?> Empty => [];

    public static Dictionary<string, object?> Read(ReadOnlySpan<byte> entries)
    {
        (Dictionary<string, object?> table, _) = Entries(entries, 0);
        return table;
    }

    /// <summary>Of values with the same name the first counts.</summary>
    private static (Dictionary<string, object?> Table, bool HasNameTwice) Entries(ReadOnlySpan<byte> entries, int depth)
    {
        var reader = new MethodReader(entries, isTable: true);
        var table = new Dictionary<string, object?>();
        bool hasNameTwice = false;
        while (!reader.AtEnd)
            hasNameTwice |= !table.TryAdd(reader.ShortString(), Value(ref reader, depth));
        return (table, hasNameTwice);
    }

    private static object? Value(ref MethodReader reader, int depth)
    {
        byte type = reader.Octet();
        switch ((char)type)
        {
            case 'S': return reader.LongBytes().ToArray();
            case 'I': return (int)reader.Long();
            case 'i': return reader.Long();
            case 'l' or 'L': return (long)reader.LongLong();
            case 's': return (short)reader.Short();
            case 'u': return reader.Short();
            case 'b': return (sbyte)reader.Octet();
            case 'B': return reader.Octet();
            case 't': return reader.Octet() != 0;
            case 'd' when BitConverter.UInt64BitsToDouble(reader.LongLong()) is var v && double.IsFinite(v): return v;
            case 'f' when BitConverter.UInt32BitsToSingle(reader.Long()) is var v && float.IsFinite(v): return v;
            case 'T': return new TimestampField(reader.LongLong());
            case 'D': return new DecimalField(reader.Octet(), (int)reader.Long());
            case 'x': return new ByteArray(reader.LongBytes().ToArray());
            case 'V': return null;
            case 'F' or 'A':
                return Nested(type, reader.LongBytes(), depth + 1);
            default:
                throw AmqpError.Unreadable();
        }
    }

    private static object Nested(byte type, ReadOnlySpan<byte> content, int depth)
    {
        if (depth > MaxDepth)
        {
            return new NestedField(type, FieldWalk.Normalized(type, content));
        }
        if (type == 'F')
        {
            (Dictionary<string, object?> table, bool hasNameTwice) = Entries(content, depth);
            return hasNameTwice ? new NestedField(type, FieldWalk.Normalized(type, content)) : table;
        }
        var reader = new MethodReader(content, isTable: true);
        var list = new List<object?>();
        while (!reader.AtEnd)
            list.Add(Value(ref reader, depth));
        return list;
    }

    public static string? Text(object? value) => value is byte[] bytes ? Encoding.UTF8.GetString(bytes) : null;

    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>A whole number of any of the integer types; null for everything else.</summary>
    public static long? Integer(object? value) => value switch
    {
        int v => v,
        uint v => v,
        long v => v,
        short v => v,
        ushort v => v,
        sbyte v => v,
        byte v => v,
        _ => null,
    };

    /// <summary>Two values of an argument: integers are compared whatever their width, times among them.</summary>
    public static bool Same(object? left, object? right) =>
        Whole(left, 1) is { } l && Whole(right, 1) is { } r ? l == r : IsIdentical(left, right);

    /// <summary>
    /// Whether a header has the value that a binding wants. Numbers are compared whatever their type, times among them;
    /// decimals are no numbers.
    /// </summary>
    public static bool Matches(object? wanted, object? found, VersionRules rules) => (wanted, found) switch
    {
        _ when Whole(wanted, 1) is { } w && Whole(found, rules.HeaderTimeUnits) is { } f => w == f,
        _ when Floating(wanted) is { } w && Floating(found) is { } f => w == f,
        _ when rules.MixesNumbers && Floating(wanted) is { } w && Whole(found, 1) is { } f => w == (double)f,
        _ when rules.MixesNumbers && Whole(wanted, 1) is { } w && Floating(found) is { } f => (double)w == f,
        _ when Octets(wanted) is { } w && Octets(found) is { } f => w.AsSpan().SequenceEqual(f),
        _ => IsIdentical(wanted, found),
    };

    /// <summary>The same names with identical values, in whatever order.</summary>
    public static bool IsIdentical(Dictionary<string, object?> left, Dictionary<string, object?> right) =>
        left.Count == right.Count
        && left.All(entry => right.TryGetValue(entry.Key, out object? other) && IsIdentical(entry.Value, other));

    /// <summary>The same type and value; what is in tables and arrays in the same order.</summary>
    private static bool IsIdentical(object? left, object? right) => (left, right) switch
    {
        (byte[] l, byte[] r) => l.AsSpan().SequenceEqual(r),
        (ByteArray l, ByteArray r) => l.Bytes.AsSpan().SequenceEqual(r.Bytes),
        (NestedField l, NestedField r) => l.Type == r.Type && l.Bytes.AsSpan().SequenceEqual(r.Bytes),
        (List<object?> l, List<object?> r) => l.Count == r.Count && l.Zip(r).All(p => IsIdentical(p.First, p.Second)),
        (Dictionary<string, object?> l, Dictionary<string, object?> r) => l.Count == r.Count
            && l.Zip(r).All(p => p.First.Key == p.Second.Key && IsIdentical(p.First.Value, p.Second.Value)),
        _ => Equals(left, right),
    };

    private static Int128? Whole(object? value, int unitsPerSecond) =>
        value is TimestampField time ? (Int128)time.Seconds * unitsPerSecond : Integer(value);

    private static double? Floating(object? value) => value switch
    {
        double v => v,
        float v => v,
        _ => null,
    };

    private static byte[]? Octets(object? value) => value as byte[] ?? (value as ByteArray)?.Bytes;
}
