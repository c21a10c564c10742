using System.Buffers.Binary;
using System.Text;

namespace ImageServer.Protocol;

/// <summary>An answer, read.</summary>
public abstract record ReceivedAnswer
{
    private ReceivedAnswer()
    {
    }

    /// <summary>A picture.</summary>
    /// <param name="Content">The picture.</param>
    /// <param name="Bytes">The answer as it came.</param>
    public sealed record Picture(IndexedPicture Content, ReadOnlyMemory<byte> Bytes) : ReceivedAnswer;

    /// <summary>An error.</summary>
    public sealed record Error(string Text) : ReceivedAnswer;

    /// <summary>A message without a picture.</summary>
    public sealed record Message(string Text) : ReceivedAnswer;
}

/// <summary>Reads answers as a client does: by their own description, with no time-outs and nothing skipped.</summary>
public static class WireReader
{
    private const int MaxBlocks = 8;
    private const int MaxBlockBytes = 1 << 20;
    private const int MaxMessageBytes = 4096;

    /// <summary>Reads one answer.</summary>
    /// <exception cref="InvalidDataException">It is not of the protocol.</exception>
    /// <exception cref="EndOfStreamException">The server ended the connection.</exception>
    public static async Task<ReceivedAnswer> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var bytes = new List<byte>();
        byte[] head = await TakeAsync(1);
        if (head[0] != 1)
            return await ReadMessageAsync(stream, head[0], cancellationToken);
        byte[] version = await TakeAsync(3);
        if (version[1] != 0 || !ModeFormat.Exists(version[2]))
            throw new InvalidDataException($"Version 1.{version[0]}.{version[1]} or mode {version[2]} is unknown.");
        var mode = (GraphicsMode)version[2];
        return version[0] switch
        {
            1 => await ReadMemoryAsync(),
            4 => await ReadBlocksAsync(),
            _ => throw new InvalidDataException($"Version 1.{version[0]} is unknown."),
        };

        async Task<ReceivedAnswer> ReadMemoryAsync()
        {
            byte[] block = await TakeAsync(3);
            if (block[0] != (byte)BlockType.Memory)
                throw new InvalidDataException($"Block type {block[0]} in version 1.1.");
            byte[] pixels = await TakeAsync(BinaryPrimitives.ReadUInt16LittleEndian(block.AsSpan(1)));
            return Picture(pixels, []);
        }

        async Task<ReceivedAnswer> ReadBlocksAsync()
        {
            byte[] pixels = [], palette = [];
            byte count = (await TakeAsync(1))[0];
            if (count > MaxBlocks)
                throw new InvalidDataException($"{count} blocks.");
            for (int i = 0; i < count; i++)
            {
                byte[] block = await TakeAsync(5);
                uint length = BinaryPrimitives.ReadUInt32LittleEndian(block.AsSpan(1));
                if (length > MaxBlockBytes)
                    throw new InvalidDataException($"A block of {length} bytes.");
                byte[] data = await TakeAsync((int)length);
                switch ((BlockType)block[0])
                {
                    case BlockType.Error: return new ReceivedAnswer.Error(Encoding.UTF8.GetString(data));
                    case BlockType.Palette: palette = data; break;
                    case BlockType.Image: pixels = data; break;
                    case BlockType.DisplayList or BlockType.ExtendedDisplayList: break;
                    default: throw new InvalidDataException($"Block type {block[0]} in version 1.4.");
                }
            }

            return Picture(pixels, palette);
        }

        ReceivedAnswer Picture(byte[] packed, byte[] palette)
        {
            var format = ModeFormat.Of(mode);
            if (packed.Length != format.PixelBytes || format.HasPalette != (palette.Length == Wire.PaletteBytes))
                throw new InvalidDataException(
                    $"{packed.Length} bytes of pixels and {palette.Length} of a palette in mode {mode}.");
            return new ReceivedAnswer.Picture(
                new IndexedPicture(mode, Unpack(packed, format.BitsPerPixel), palette), bytes.ToArray());
        }

        async Task<byte[]> TakeAsync(int count)
        {
            byte[] taken = new byte[count];
            await stream.ReadExactlyAsync(taken, cancellationToken);
            bytes.AddRange(taken);
            return taken;
        }
    }

    private static async Task<ReceivedAnswer> ReadMessageAsync(
        Stream stream, byte first, CancellationToken cancellationToken)
    {
        List<byte> line = [first];
        byte[] next = new byte[1];
        while (line is not [.., (byte)'\r', (byte)'\n'])
        {
            if (line.Count == MaxMessageBytes)
                throw new InvalidDataException("A message without end.");
            await stream.ReadExactlyAsync(next, cancellationToken);
            line.Add(next[0]);
        }

        string text = Encoding.UTF8.GetString([.. line])[..^2];
        return text.StartsWith("OK: ", StringComparison.Ordinal)
            ? new ReceivedAnswer.Message(text[4..])
            : throw new InvalidDataException("Neither a picture nor a message.");
    }

    private static byte[] Unpack(byte[] packed, int bits)
    {
        if (bits == 8)
            return packed;
        int perByte = 8 / bits;
        byte[] pixels = new byte[packed.Length * perByte];
        for (int i = 0; i < pixels.Length; i++)
            pixels[i] = (byte)(packed[i / perByte] >> (8 - bits - i % perByte * bits) & ((1 << bits) - 1));
        return pixels;
    }
}
