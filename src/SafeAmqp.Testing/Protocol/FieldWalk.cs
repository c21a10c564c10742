namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// Checks a table or array of any depth as RabbitMQ's parser would, without reading it: flat, in one pass, with a stack
/// that grows with the input and not with the thread's.
/// </summary>
internal static class FieldWalk
{
    /// <summary>
    /// A field: where its entry begins, where its type stands, and in how many tables and arrays it lies.
    /// </summary>
    public delegate void Seen(int entry, int type, int depth);

    /// <exception cref="AmqpError">A size, a type, a name or a floating-point number is wrong.</exception>
    public static void Check(byte type, ReadOnlySpan<byte> content, Seen? seen = null)
    {
        // Where each open table or array ends, and whether names stand in it.
        var open = new Stack<(int End, bool HasNames)>();
        open.Push((content.Length, type == 'F'));
        int at = 0;
        while (open.TryPeek(out (int End, bool HasNames) inner))
        {
            if (at == inner.End)
            {
                open.Pop();
                continue;
            }
            ReadOnlySpan<byte> rest = content[at..inner.End];
            int name = inner.HasNames ? 1 + rest[0] : 0;
            if (name >= rest.Length)
                throw AmqpError.Unreadable();
            byte field = rest[name];
            ReadOnlySpan<byte> value = rest[(name + 1)..];
            int size = Size(field, value) ?? throw AmqpError.Unreadable();
            if (size > value.Length)
                throw AmqpError.Unreadable();
            seen?.Invoke(at, at + name, open.Count);
            at += name + 1;
            if (field is (byte)'F' or (byte)'A')
            {
                open.Push((at + size, field == 'F'));
                at += 4;
            }
            else
            {
                at += size;
            }
        }
    }

    /// <summary>As RabbitMQ writes again what it has read: two types are one to it, and true is 1.</summary>
    public static byte[] Normalized(byte type, ReadOnlySpan<byte> content)
    {
        byte[] octets = content.ToArray();
        Check(type, content, (_, at, _) => Normalize(octets, at));
        return octets;
    }

    /// <summary>Puts the field whose type stands there into the form that RabbitMQ writes.</summary>
    public static void Normalize(Span<byte> octets, int at)
    {
        if (octets[at] == 'L')
            octets[at] = (byte)'l';
        else if (octets[at] == 't' && octets[at + 1] != 0)
            octets[at + 1] = 1;
    }

    /// <summary>How many octets a value takes, its own size included; null when it has none.</summary>
    private static int? Size(byte type, ReadOnlySpan<byte> value) => (char)type switch
    {
        'V' => 0,
        'b' or 'B' or 't' => 1,
        's' or 'u' => 2,
        'I' or 'i' => 4,
        'D' => 5,
        'l' or 'L' or 'T' => 8,
        'f' when BinaryPrimitives.TryReadSingleBigEndian(value, out float number) && float.IsFinite(number) => 4,
        'd' when BinaryPrimitives.TryReadDoubleBigEndian(value, out double number) && double.IsFinite(number) => 8,
        'S' or 'x' or 'F' or 'A' when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint size)
            && size <= (uint)(value.Length - 4) => 4 + (int)size,
        _ => null,
    };
}
