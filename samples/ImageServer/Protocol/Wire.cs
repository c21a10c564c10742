using System.Buffers.Binary;
using System.Text;

namespace ImageServer.Protocol;

/// <summary>The types of blocks in an answer of version 1.4, and the one of version 1.1.</summary>
public enum BlockType : byte
{
    /// <summary>The pixels of an answer of version 1.1.</summary>
    Memory = 3,

    /// <summary>A display list.</summary>
    DisplayList = 4,

    /// <summary>An extended display list, for VBXE.</summary>
    ExtendedDisplayList = 5,

    /// <summary>A palette.</summary>
    Palette = 6,

    /// <summary>The pixels.</summary>
    Image = 7,

    /// <summary>An error: its text.</summary>
    Error = 255,
}

/// <summary>Puts answers into bytes. Each is one array, to be sent in one piece. Integers are little-endian.</summary>
public static class Wire
{
    /// <summary>Bytes of a palette on the wire: 256 colours, whatever the mode uses of them.</summary>
    public const int PaletteBytes = 3 * 256;

    /// <summary>The longest text that an error or a message may have, in bytes.</summary>
    public const int MaxTextBytes = 1024;

    private static ReadOnlySpan<byte> Version11 => [1, 1, 0];

    private static ReadOnlySpan<byte> Version14 => [1, 4, 0];

    /// <summary>A picture.</summary>
    public static byte[] Picture(IndexedPicture picture)
    {
        ArgumentNullException.ThrowIfNull(picture);
        var format = picture.Format;
        if (picture.Pixels.Length != format.Width * format.Height)
            throw new ArgumentException("The picture has not the size of its mode.", nameof(picture));
        byte[] pixels = Pack(picture.Pixels, format.BitsPerPixel);
        if (format.HasPalette)
            return Blocks(picture.Mode, (BlockType.Palette, PaddedPalette(picture.Palette)), (BlockType.Image, pixels));

        byte[] answer = new byte[7 + pixels.Length];
        Version11.CopyTo(answer);
        answer[3] = (byte)picture.Mode;
        answer[4] = (byte)BlockType.Memory;
        BinaryPrimitives.WriteUInt16LittleEndian(answer.AsSpan(5), (ushort)pixels.Length);
        pixels.CopyTo(answer, 7);
        return answer;
    }

    /// <summary>An error. It always comes in mode 2, whatever mode the client has.</summary>
    public static byte[] Error(string text)
        => Blocks(GraphicsMode.Graphics8, (BlockType.Error, Encoding.UTF8.GetBytes(Bounded(text))));

    /// <summary>A message without a picture: <c>OK: text</c>, CR, LF.</summary>
    public static byte[] Message(string text) => Encoding.UTF8.GetBytes($"OK: {OneLine(Bounded(text))}\r\n");

    private static byte[] Blocks(GraphicsMode mode, params ReadOnlySpan<(BlockType Type, byte[] Data)> blocks)
    {
        int length = 5;
        foreach (var block in blocks)
            length += 5 + block.Data.Length;
        byte[] answer = new byte[length];
        Version14.CopyTo(answer);
        answer[3] = (byte)mode;
        answer[4] = (byte)blocks.Length;
        int at = 5;
        foreach (var (type, data) in blocks)
        {
            answer[at] = (byte)type;
            BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(at + 1), (uint)data.Length);
            data.CopyTo(answer, at + 5);
            at += 5 + data.Length;
        }

        return answer;
    }

    private static byte[] PaddedPalette(byte[] palette)
    {
        byte[] padded = new byte[PaletteBytes];
        palette.AsSpan().CopyTo(padded);
        return padded;
    }

    private static byte[] Pack(byte[] pixels, int bits)
    {
        if (bits == 8)
            return [.. pixels];
        int perByte = 8 / bits;
        byte[] packed = new byte[pixels.Length / perByte];
        for (int i = 0; i < pixels.Length; i++)
            packed[i / perByte] |= (byte)(pixels[i] << (8 - bits - i % perByte * bits));
        return packed;
    }

    private static string Bounded(string text)
    {
        // Four bytes are the most that a character takes, and none is cut in two.
        int length = Math.Min(text.Length, MaxTextBytes / 4);
        return text[..(length > 0 && char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
