using System.Buffers.Binary;

namespace SafeAmqp.Transport;

/// <summary>Walks over the fields of a payload without reading their values; every step stays inside the span.</summary>
internal ref struct FieldCursor(ReadOnlySpan<byte> rest)
{
    /// <summary>Deeper than any use seen in headers (dead-lettering needs 3), shallow enough for the smallest stack:
    /// RabbitMQ.Client's parser and this one take one call per level.</summary>
    public const int MaxDepth = 64;

    // RabbitMQ.Client builds a System.Decimal, whose scale ends at 28, and throws beyond.
    private const int MaxDecimalScale = 28;

    private ReadOnlySpan<byte> _rest = rest;

    public void Skip(int count) => Take(count);

    public uint UInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public void ShortString() => Take(Take(1)[0]);

    public void LongString() => Take(UInt32());

    public void Table() => Table(1);

    private void Table(int depth)
    {
        FieldCursor inside = Enter(depth);
        while (!inside._rest.IsEmpty)
        {
            inside.ShortString();
            inside.Value(depth);
        }
    }

    private void Array(int depth)
    {
        FieldCursor inside = Enter(depth);
        while (!inside._rest.IsEmpty) inside.Value(depth);
    }

    private FieldCursor Enter(int depth)
    {
        if (depth > MaxDepth)
            throw new FrameGuardException(FrameRule.TableDepth, $"The peer nested tables more than {MaxDepth} deep.");
        return new FieldCursor(Take(UInt32()));
    }

    /// <summary>The types that WireFormatting.ReadFieldValue of RabbitMQ.Client 7.2.2 knows, with the bytes that it takes for each.</summary>
    private void Value(int depth)
    {
        byte type = Take(1)[0];
        switch (type)
        {
            case (byte)'S' or (byte)'x': LongString(); break;
            case (byte)'t' or (byte)'B' or (byte)'b': Skip(1); break;
            case (byte)'s' or (byte)'u': Skip(2); break;
            case (byte)'I' or (byte)'i' or (byte)'f': Skip(4); break;
            case (byte)'l' or (byte)'d' or (byte)'T': Skip(8); break;
            case (byte)'V': break;
            case (byte)'D': Decimal(); break;
            case (byte)'F': Table(depth + 1); break;
            case (byte)'A': Array(depth + 1); break;
            default:
                throw new FrameGuardException(FrameRule.FieldType, $"The peer sent a table value of the unknown type 0x{type:X2}.");
        }
    }

    private void Decimal()
    {
        byte scale = Take(5)[0];
        if (scale > MaxDecimalScale)
            throw new FrameGuardException(FrameRule.FieldType, $"The peer sent a decimal of scale {scale}; the limit is {MaxDecimalScale}.");
    }

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count > _rest.Length)
            throw new FrameGuardException(FrameRule.FieldLength, $"The peer sent a field of {count} bytes where {_rest.Length} are left.");
        ReadOnlySpan<byte> taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }
}
