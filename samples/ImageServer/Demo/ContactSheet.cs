using SkiaSharp;

namespace ImageServer.Demo;

/// <summary>Several pictures beside and below each other, two to a row.</summary>
internal static class ContactSheet
{
    private const int Columns = 2;
    private const int Gap = 6;
    private static readonly SKSizeI Cell = new(320, 240);

    public static byte[] Of(IReadOnlyList<byte[]> pictures)
    {
        int rows = (pictures.Count + Columns - 1) / Columns;
        using var sheet = new SKBitmap(
            new SKImageInfo(
            Columns * (Cell.Width + Gap) - Gap, rows * (Cell.Height + Gap) - Gap, SKColorType.Bgra8888,
            SKAlphaType.Premul));
        using var canvas = new SKCanvas(sheet);
        for (int i = 0; i < pictures.Count; i++)
        {
            using var picture = SKImage.FromEncodedData(pictures[i]);
            var place = SKRect.Create(
                i % Columns * (Cell.Width + Gap), i / Columns * (Cell.Height + Gap), Cell.Width, Cell.Height);
            canvas.DrawImage(picture, place, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        }

        using var png = sheet.Encode(SKEncodedImageFormat.Png, quality: 100);
        return png.ToArray();
    }
}
