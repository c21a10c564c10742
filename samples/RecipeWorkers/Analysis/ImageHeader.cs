using System.Buffers.Binary;

namespace RecipeWorkers.Analysis;

/// <summary>What the first bytes of an image tell.</summary>
internal sealed record ImageInfo(string Format, int Width, int Height);

/// <summary>Tells PNG, JPEG, WebP and GIF by their magic bytes and reads the dimensions behind them.</summary>
internal static class ImageHeader
{
    private static ReadOnlySpan<byte> Png => [0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>Null when the bytes are none of the four, or break off before the dimensions.</summary>
    public static ImageInfo? Read(ReadOnlySpan<byte> data)
    {
        var info = data.StartsWith(Png) ? ReadPng(data)
            : data.StartsWith("GIF87a"u8) || data.StartsWith("GIF89a"u8) ? ReadGif(data)
            : data.Length >= 12 && data.StartsWith("RIFF"u8) && data[8..].StartsWith("WEBP"u8) ? ReadWebP(data)
            : data.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? ReadJpeg(data)
            : null;
        return info is { Width: > 0, Height: > 0 } ? info : null;
    }

    private static ImageInfo? ReadPng(ReadOnlySpan<byte> data) =>
        data.Length < 24 || !data[12..].StartsWith("IHDR"u8)
            ? null
            : new("png", BinaryPrimitives.ReadInt32BigEndian(data[16..]), BinaryPrimitives.ReadInt32BigEndian(
                data[20..]));

    private static ImageInfo? ReadGif(ReadOnlySpan<byte> data) =>
        data.Length < 10 ? null : new(
            "gif",
            BinaryPrimitives.ReadUInt16LittleEndian(data[6..]),
            BinaryPrimitives.ReadUInt16LittleEndian(data[8..]));

    // The three kinds of WebP keep the size in three places (RFC 9649, section 2).
    private static ImageInfo? ReadWebP(ReadOnlySpan<byte> data)
    {
        if (data.Length < 30) return null;
        var kind = data[12..];
        if (kind.StartsWith("VP8X"u8)) return new("webp", 1 + Read24(data[24..]), 1 + Read24(data[27..]));
        if (kind.StartsWith("VP8L"u8))
        {
            if (data[20] != 0x2F) return null;
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(data[21..]);
            return new("webp", (int)(bits & 0x3FFF) + 1, (int)((bits >> 14) & 0x3FFF) + 1);
        }

        if (!kind.StartsWith("VP8 "u8) || !data[23..].StartsWith((ReadOnlySpan<byte>)[0x9D, 0x01, 0x2A])) return null;
        return new("webp", BinaryPrimitives.ReadUInt16LittleEndian(data[26..]) & 0x3FFF,
            BinaryPrimitives.ReadUInt16LittleEndian(data[28..]) & 0x3FFF);
    }

    private static int Read24(ReadOnlySpan<byte> data) => data[0] | (data[1] << 8) | (data[2] << 16);

    // Walks the segments up to the frame header (ITU T.81, B.2.2).
    private static ImageInfo? ReadJpeg(ReadOnlySpan<byte> data)
    {
        for (int at = 2; at + 9 < data.Length;)
        {
            if (data[at] != 0xFF) return null;
            byte marker = data[at + 1];
            if (marker == 0xFF)
            {
                at++;
                continue;
            }

            if (marker is 0xD9 or 0xDA) return null;
            bool isStandalone = marker is 0x01 or (>= 0xD0 and <= 0xD7);
            if (isStandalone)
            {
                at += 2;
                continue;
            }

            bool isFrame = marker is >= 0xC0 and <= 0xCF and not (0xC4 or 0xC8 or 0xCC);
            if (isFrame)
                return new("jpeg", BinaryPrimitives.ReadUInt16BigEndian(data[(at + 7)..]),
                    BinaryPrimitives.ReadUInt16BigEndian(data[(at + 5)..]));
            ushort length = BinaryPrimitives.ReadUInt16BigEndian(data[(at + 2)..]);
            if (length < 2) return null;
            at += 2 + length;
        }

        return null;
    }
}
