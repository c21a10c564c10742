using ImageServer.Protocol;
using SkiaSharp;

namespace ImageServer.Server.Images;

/// <summary>Shows a picture as its screen does: two dots for each pixel's height, and as many as it is wide.</summary>
internal static class Screen
{
    private const int DotsHigh = 2;

    /// <summary>The screen as PNG.</summary>
    public static byte[] ToPng(IndexedPicture picture)
    {
        var format = picture.Format;
        int dotsWide = (int)(DotsHigh * format.PixelWidth);
        using var bitmap = new SKBitmap(
            new SKImageInfo(
            format.Width * dotsWide, format.Height * DotsHigh, SKColorType.Bgra8888, SKAlphaType.Opaque));
        var dots = bitmap.GetPixelSpan();
        for (int y = 0; y < bitmap.Height; y++)
        {
            for (int x = 0; x < bitmap.Width; x++)
            {
                var (red, green, blue) = picture.ColorAt(x / dotsWide, y / DotsHigh);
                int at = 4 * (y * bitmap.Width + x);
                (dots[at], dots[at + 1], dots[at + 2], dots[at + 3]) = (blue, green, red, 255);
            }
        }

        using var png = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return png.ToArray();
    }
}
