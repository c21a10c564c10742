using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// Builds one method's payload. One instance is reused by the broker's loop for every method it sends.
/// </summary>
internal sealed class MethodWriter
{
    private byte[] _buffer = new byte[1024];
    private int _length;

    public ReadOnlySpan<byte> Written => _buffer.AsSpan(0, _length);

    public MethodWriter Start(uint method)
    {
        _length = 0;
        return Long(method);
    }

    public MethodWriter Clear()
    {
        _length = 0;
        return this;
    }

    public MethodWriter Octet(byte value)
    {
        Room(1)[0] = value;
        return this;
    }

    public MethodWriter Short(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Room(2), value);
        return this;
    }

    public MethodWriter Long(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(Room(4), value);
        return this;
    }

    public MethodWriter LongLong(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(Room(8), value);
        return this;
    }

    public MethodWriter Flag(bool value) => Octet(value ? (byte)1 : (byte)0);

    public MethodWriter ShortString(string value)
    {
        Span<byte> bytes = stackalloc byte[256 * 3];
        // A short string holds 255 octets (4.2.5.3); everything the broker echoes came as one.
        int count = Encoding.UTF8.GetBytes(value.AsSpan(0, Math.Min(value.Length, 255)), bytes);
        count = Math.Min(count, 255);
        Octet((byte)count);
        bytes[..count].CopyTo(Room(count));
        return this;
    }

    public MethodWriter LongBytes(ReadOnlySpan<byte> value)
    {
        Long((uint)value.Length);
        value.CopyTo(Room(value.Length));
        return this;
    }

    public MethodWriter LongString(string value) => LongBytes(Encoding.UTF8.GetBytes(value));

    public MethodWriter Raw(ReadOnlySpan<byte> value)
    {
        value.CopyTo(Room(value.Length));
        return this;
    }

    /// <summary>A table, its size put in front when its end is known.</summary>
    public MethodWriter Table(IReadOnlyDictionary<string, object?> table)
    {
        int at = _length;
        Long(0);
        FieldTableWriter.WriteEntries(this, table);
        return PatchSize(at);
    }

    public int Mark() => _length;

    public MethodWriter PatchSize(int at)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.AsSpan(at), (uint)(_length - at - 4));
        return this;
    }

    private Span<byte> Room(int count)
    {
        if (_buffer.Length - _length < count)
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _length + count));
        Span<byte> room = _buffer.AsSpan(_length, count);
        _length += count;
        return room;
    }
}
