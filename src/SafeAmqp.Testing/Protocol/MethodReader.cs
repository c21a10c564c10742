using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// Reads a method's fields in order (AMQP 0-9-1, 4.2.5), or a table's. Too few octets are an error, never a wrong
/// value: 501 in a method.
/// </summary>
internal ref struct MethodReader(ReadOnlySpan<byte> fields, bool isTable = false)
{
    private readonly ReadOnlySpan<byte> _fields = fields;
    private int _at;

    public byte Octet() => Take(1)[0];

    public ushort Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    public uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ulong LongLong() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    public ReadOnlySpan<byte> ShortBytes() => Take(Octet());

    public string ShortString()
    {
        ReadOnlySpan<byte> bytes = ShortBytes();
        return bytes.IsEmpty ? "" : Encoding.UTF8.GetString(bytes);
    }

    public ReadOnlySpan<byte> LongBytes() => Take(Long());

    public Dictionary<string, object?> Table()
    {
        ReadOnlySpan<byte> bytes = LongBytes();
        return bytes.IsEmpty ? FieldTable.Empty : FieldTable.Read(bytes);
    }

    public readonly bool AtEnd => _at == _fields.Length;

    private ReadOnlySpan<byte> Take(uint count)
    {
        if (count > (uint)(_fields.Length - _at))
            throw isTable ? AmqpError.Unreadable() : AmqpError.Undecodable(_fields);
        ReadOnlySpan<byte> taken = _fields.Slice(_at, (int)count);
        _at += (int)count;
        return taken;
    }
}
