using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace SafeAmqp.Wire;

/// <summary>
/// Bytes to be sent, written field by field as AMQP 0-9-1 has them (section 4.2). Grows as needed; its array comes from
/// the pool.
/// </summary>
internal sealed class FrameBuffer
{
    private const int SmallestArray = 16 * 1024;

    private byte[] _bytes = [];

    internal int Count { get; private set; }

    internal ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Count);

    internal void Clear() => Count = 0;

    /// <summary>Gives the array back; the buffer is empty after that.</summary>
    internal void Release()
    {
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
        Count = 0;
    }

    /// <summary>Forgets what was written from a position on.</summary>
    internal void CutTo(int count) => Count = count;

    internal void Octet(byte value) => Take(1)[0] = value;

    internal void Short(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Take(2), value);

    internal void Long(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Take(4), value);

    internal void LongLong(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Take(8), value);

    internal void Bytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    internal void ShortString(string text)
    {
        int room = Encoding.UTF8.GetMaxByteCount(text.Length);
        Reserve(1 + room);
        int length = Encoding.UTF8.GetBytes(text, _bytes.AsSpan(Count + 1));
        if (length > byte.MaxValue)
            throw new InvalidOperationException($"A short string of {length} bytes; the limit is {byte.MaxValue}.");
        _bytes[Count] = (byte)length;
        Count += 1 + length;
    }

    internal void LongString(string text)
    {
        int at = BeginSized();
        Reserve(Encoding.UTF8.GetMaxByteCount(text.Length));
        Count += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(Count));
        EndSized(at);
    }

    /// <summary>Leaves room for a size (4 bytes) of what is written next.</summary>
    /// <returns>To be given to <see cref="EndSized"/>.</returns>
    internal int BeginSized()
    {
        Long(0);
        return Count;
    }

    internal void EndSized(int at) => BinaryPrimitives.WriteUInt32BigEndian(_bytes.AsSpan(at - 4), (uint)(Count - at));

    /// <summary>Leaves room for two bytes that are known later.</summary>
    /// <returns>To be given to <see cref="SetShort"/>.</returns>
    internal int SkipShort()
    {
        Short(0);
        return Count - 2;
    }

    internal void SetShort(int at, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(_bytes.AsSpan(at), value);

    private Span<byte> Take(int count)
    {
        Reserve(count);
        Span<byte> taken = _bytes.AsSpan(Count, count);
        Count += count;
        return taken;
    }

    private void Reserve(int count)
    {
        if (_bytes.Length - Count < count)
            Grow(count);
    }

    private void Grow(int count)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(checked(Count + count),
            Math.Max(SmallestArray, Math.Min(_bytes.Length, 1 << 29) * 2)));
        Written.Span.CopyTo(larger);
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = larger;
    }
}
