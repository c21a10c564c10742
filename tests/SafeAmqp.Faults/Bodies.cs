using System.Buffers.Binary;

namespace SafeAmqp.Faults;

/// <summary>Bodies that say whose they are, and of which every byte can be checked.</summary>
public static class Bodies
{
    /// <summary>The smallest body: publisher, number, check.</summary>
    public const int MinSize = 16;

    private const ulong Step = 0x9E3779B97F4A7C15;

    public static byte[] Make(int publisher, int number, int size)
    {
        byte[] body = new byte[Math.Max(size, MinSize)];
        BinaryPrimitives.WriteInt32LittleEndian(body, publisher);
        BinaryPrimitives.WriteInt32LittleEndian(body.AsSpan(4), number);
        ulong seed = Seed(publisher, number, body.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(body.AsSpan(8), seed);
        Fill(body.AsSpan(MinSize), seed);
        return body;
    }

    /// <summary>Whose body it is; false when a byte of it is not as it was made.</summary>
    public static bool TryRead(ReadOnlySpan<byte> body, out int publisher, out int number)
    {
        publisher = number = -1;
        if (body.Length < MinSize)
            return false;
        publisher = BinaryPrimitives.ReadInt32LittleEndian(body);
        number = BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
        ulong seed = Seed(publisher, number, body.Length);
        if (BinaryPrimitives.ReadUInt64LittleEndian(body[8..]) != seed)
            return false;
        ReadOnlySpan<byte> rest = body[MinSize..];
        Span<byte> word = stackalloc byte[8];
        while (rest.Length > 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, seed = Next(seed));
            int count = Math.Min(word.Length, rest.Length);
            if (!rest[..count].SequenceEqual(word[..count]))
                return false;
            rest = rest[count..];
        }
        return true;
    }

    private static void Fill(Span<byte> rest, ulong seed)
    {
        Span<byte> word = stackalloc byte[8];
        while (rest.Length > 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, seed = Next(seed));
            int count = Math.Min(word.Length, rest.Length);
            word[..count].CopyTo(rest);
            rest = rest[count..];
        }
    }

    private static ulong Seed(int publisher, int number, int size)
        => Next(unchecked((((ulong)(uint)publisher << 32) | (uint)number) * 7_919 + (ulong)size + 1));

    private static ulong Next(ulong value)
    {
        value = unchecked(value + Step);
        value = unchecked((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9);
        return value ^ (value >> 27);
    }
}
