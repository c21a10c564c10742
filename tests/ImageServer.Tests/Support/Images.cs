using SkiaSharp;

namespace ImageServer.Tests.Support;

/// <summary>Images made for tests.</summary>
internal static class Images
{
    /// <summary>An image, drawn.</summary>
    public static SKBitmap Bitmap(int width, int height, Action<SKCanvas> draw)
    {
        var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Bgra8888, SKAlphaType.Premul));
        using var canvas = new SKCanvas(bitmap);
        draw(canvas);
        return bitmap;
    }

    /// <summary>An image of one colour.</summary>
    public static SKBitmap Plain(int width, int height, SKColor color)
        => Bitmap(width, height, canvas => canvas.Clear(color));

    public static byte[] Encode(SKBitmap bitmap, SKEncodedImageFormat format)
    {
        using var data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    /// <summary>2 × 2 pixels: red and green over blue and white.</summary>
    public static byte[] Gif { get; } = Convert.FromBase64String(
        "R0lGODdhAgACAJEAAP8AAAD/AAAA/////ywAAAAAAgACAAACA0Q0BQA7");

    /// <summary>The header of a PNG that says it has so many pixels, with hardly any data.</summary>
    public static byte[] PngBomb(uint width, uint height)
    {
        byte[] png = Encode(Plain(1, 1, SKColors.White), SKEncodedImageFormat.Png);
        // IHDR is the first chunk: 8 bytes of signature, 4 of length, 4 of type, then width and height; its CRC is over
        // type and data.
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(16), width);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(20), height);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), Crc(png.AsSpan(12, 17)));
        return png;
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB88320;
        }

        return ~crc;
    }

    /// <summary>How many separate areas of at least so many pixels have a colour that is meant.</summary>
    public static int CountAreas(SKBitmap bitmap, Func<SKColor, bool> isMeant, int atLeast = 40)
    {
        var (width, height) = (bitmap.Width, bitmap.Height);
        bool[] open = new bool[width * height];
        for (int i = 0; i < open.Length; i++)
            open[i] = isMeant(bitmap.GetPixel(i % width, i / width));
        int areas = 0;
        var stack = new Stack<int>();
        for (int start = 0; start < open.Length; start++)
        {
            if (!open[start])
                continue;
            int size = 0;
            stack.Push(start);
            open[start] = false;
            while (stack.TryPop(out int at))
            {
                size++;
                foreach (int next in (ReadOnlySpan<int>)[
                    at % width > 0 ? at - 1 : -1, at % width < width - 1 ? at + 1 : -1, at - width, at + width])
                {
                    if (next < 0 || next >= open.Length || !open[next])
                        continue;
                    open[next] = false;
                    stack.Push(next);
                }
            }

            areas += size >= atLeast ? 1 : 0;
        }

        return areas;
    }

    public static bool IsRed(SKColor color) => color.Red > 150 && color.Green < 110 && color.Blue < 110;

    public static bool IsBlue(SKColor color)
        => color.Blue > 120 && color.Blue > color.Red + 60 && color.Blue > color.Green + 30;

    public static bool IsYellow(SKColor color) => color.Red > 200 && color.Green > 170 && color.Blue < 110;

    public static bool IsGreen(SKColor color) => color.Green > color.Red + 25 && color.Green > color.Blue + 25;

    /// <summary>The share of the pixels with a colour that is meant.</summary>
    public static double Share(SKBitmap bitmap, Func<SKColor, bool> isMeant)
        => bitmap.Pixels.Count(isMeant) / (double)(bitmap.Width * bitmap.Height);
}
