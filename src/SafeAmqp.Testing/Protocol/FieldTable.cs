using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>A long string that is not text for sure: field type <c>x</c>, RabbitMQ's byte array.</summary>
internal sealed record ByteArray(byte[] Bytes);

/// <summary>Field type <c>D</c>: a number and how many of its digits stand behind the point.</summary>
internal readonly record struct DecimalField(byte Scale, uint Value);

/// <summary>Field type <c>T</c>: seconds since 1970.</summary>
internal readonly record struct TimestampField(ulong Seconds);

/// <summary>A table (<c>F</c>) or array (<c>A</c>) that lies too deep to be taken apart: checked, and kept as it came.</summary>
internal sealed record NestedField(byte Type, byte[] Bytes);

/// <summary>
/// Reads field tables with the types that RabbitMQ reads (its errata to AMQP 0-9-1, 4.2.1). A long string stays <c>byte[]</c>:
/// nobody promised that it is UTF-8, and a dead-lettered message must come out as it went in.
/// </summary>
internal static class FieldTable
{
    /// <summary>RabbitMQ sets no limit. Deeper ones are kept as octets, so that no peer decides how much stack is needed to read, compare or write them.</summary>
    private const int MaxDepth = 64;

    public static Dictionary<string, object?> Empty => [];

    public static Dictionary<string, object?> Read(ReadOnlySpan<byte> entries)
    {
        var reader = new MethodReader(entries);
        return Entries(ref reader, 0);
    }

    private static Dictionary<string, object?> Entries(ref MethodReader reader, int depth)
    {
        var table = new Dictionary<string, object?>();
        while (!reader.AtEnd)
        {
            string name = reader.ShortString();
            table[name] = Value(ref reader, depth);
        }
        return table;
    }

    private static object? Value(ref MethodReader reader, int depth)
    {
        byte type = reader.Octet();
        switch ((char)type)
        {
            case 'S': return reader.LongBytes().ToArray();
            case 'I': return (int)reader.Long();
            case 'i': return reader.Long();
            case 'l': return (long)reader.LongLong();
            case 's': return (short)reader.Short();
            case 'u': return reader.Short();
            case 'b': return (sbyte)reader.Octet();
            case 'B': return reader.Octet();
            case 't': return reader.Octet() != 0;
            case 'd': return BitConverter.UInt64BitsToDouble(reader.LongLong());
            case 'f': return BitConverter.UInt32BitsToSingle(reader.Long());
            case 'T': return new TimestampField(reader.LongLong());
            case 'D': return new DecimalField(reader.Octet(), reader.Long());
            case 'x': return new ByteArray(reader.LongBytes().ToArray());
            case 'V': return null;
            case 'F' or 'A':
                return Nested(type, reader.LongBytes(), depth + 1);
            default:
                throw AmqpError.Undecodable([type]);
        }
    }

    private static object Nested(byte type, ReadOnlySpan<byte> content, int depth)
    {
        if (depth > MaxDepth)
        {
            FieldWalk.Check(type, content);
            return new NestedField(type, content.ToArray());
        }
        var reader = new MethodReader(content);
        if (type == 'F')
            return Entries(ref reader, depth);
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

    /// <summary>Values that a client would call equal; RabbitMQ compares integers whatever their width.</summary>
    public static bool Same(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (byte[] l, byte[] r) => l.AsSpan().SequenceEqual(r),
        (ByteArray l, ByteArray r) => l.Bytes.AsSpan().SequenceEqual(r.Bytes),
        (NestedField l, NestedField r) => l.Type == r.Type && l.Bytes.AsSpan().SequenceEqual(r.Bytes),
        (List<object?> l, List<object?> r) => l.Count == r.Count && l.Zip(r).All(pair => Same(pair.First, pair.Second)),
        (Dictionary<string, object?> l, Dictionary<string, object?> r) => Same(l, r),
        _ when Integer(left) is { } l && Integer(right) is { } r => l == r,
        _ => Equals(left, right),
    };

    public static bool Same(Dictionary<string, object?> left, Dictionary<string, object?> right) =>
        left.Count == right.Count && left.All(entry => right.TryGetValue(entry.Key, out object? other) && Same(entry.Value, other));
}
