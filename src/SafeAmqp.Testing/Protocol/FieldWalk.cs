namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// Checks a table or array of any depth as RabbitMQ's parser would, without reading it: flat, in one pass, with a stack that grows with the
/// input and not with the thread's.
/// </summary>
internal static class FieldWalk
{
    /// <exception cref="AmqpError">501: a size, a type or a name is wrong.</exception>
    public static void Check(byte type, ReadOnlySpan<byte> content)
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
                throw Malformed(content);
            byte field = rest[name];
            ReadOnlySpan<byte> value = rest[(name + 1)..];
            int size = Size(field, value) ?? throw Malformed(content);
            if (size > value.Length)
                throw Malformed(content);
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

    /// <summary>How many octets a value takes, its own size included; null when it has none.</summary>
    private static int? Size(byte type, ReadOnlySpan<byte> value) => (char)type switch
    {
        'V' => 0,
        'b' or 'B' or 't' => 1,
        's' or 'u' => 2,
        'I' or 'i' or 'f' => 4,
        'D' => 5,
        'l' or 'd' or 'T' => 8,
        'S' or 'x' or 'F' or 'A' when value.Length >= 4 && BinaryPrimitives.ReadUInt32BigEndian(value) is var size && size <= (uint)(value.Length - 4) => 4 + (int)size,
        _ => null,
    };

    private static AmqpError Malformed(ReadOnlySpan<byte> content) => AmqpError.Undecodable(content);
}
