using ImageServer.Protocol;
using SkiaSharp;

namespace ImageServer.Server.Images;

/// <summary>Makes a picture of a mode from any picture: as large as fits, its aspect kept, black around it, in the
/// mode's colours.</summary>
internal static class ImageConverter
{
    // Entry 0 of a palette is black and the others move on by one: so one colour fewer than there are entries, and no
    // index goes beyond the last.
    private const int MovedBy = 1;

    /// <summary>Converts. The same picture gives the same result.</summary>
    public static IndexedPicture Convert(SKBitmap source, GraphicsMode mode)
    {
        var format = ModeFormat.Of(mode);
        using var fitted = Fit(source, format);
        var pixels = fitted.GetPixelSpan();
        if (!format.HasPalette)
            return new IndexedPicture(mode, Dithering.ToShades(pixels, format.Width, format.Height, format.Colors), []);

        var colors = AdaptivePalette.Of(pixels, format.Colors - MovedBy);
        byte[] indices = Dithering.ToPalette(pixels, format.Width, format.Height, colors);
        for (int i = 0; i < indices.Length; i++)
            indices[i] += MovedBy;
        return new IndexedPicture(mode, indices, OnTheScreen(colors));
    }

    private static byte[] OnTheScreen(ReadOnlySpan<Rgb> colors)
    {
        byte[] palette = new byte[Wire.PaletteBytes];
        for (int i = 0; i < colors.Length; i++)
        {
            int entry = 3 * (i + MovedBy);
            (palette[entry], palette[entry + 1], palette[entry + 2]) = (colors[i].Red, colors[i].Green, colors[i].Blue);
        }

        return palette;
    }

    private static SKBitmap Fit(SKBitmap source, ModeFormat format)
    {
        var screen = new SKSize(format.Width * format.PixelWidth, format.Height);
        float scale = Math.Min(screen.Width / source.Width, screen.Height / source.Height);
        var size = new SKSize(source.Width * scale, source.Height * scale);
        // Whole pixels, so that no edge is mixed with the black around it; a picture that is nearly nothing in one
        // direction still shows.
        float width = Math.Max(1, MathF.Round(size.Width / format.PixelWidth));
        float height = Math.Max(1, MathF.Round(size.Height));
        float left = MathF.Floor((format.Width - width) / 2);
        float top = MathF.Floor((format.Height - height) / 2);

        var fitted = new SKBitmap(
            new SKImageInfo(format.Width, format.Height, SKColorType.Bgra8888, SKAlphaType.Premul));
        using var canvas = new SKCanvas(fitted);
        canvas.Clear(SKColors.Black);
        using var image = SKImage.FromBitmap(source);
        var sampling = scale < 1
            ? new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear)
            : new SKSamplingOptions(SKCubicResampler.CatmullRom);
        canvas.DrawImage(image, SKRect.Create(left, top, width, height), sampling);
        canvas.Flush();
        return fitted;
    }
}

/// <summary>A colour.</summary>
internal readonly record struct Rgb(byte Red, byte Green, byte Blue);
