using SkiaSharp;

namespace ImageServer.Server.Video;

/// <summary>A test picture that moves: colour bars, a ramp of greys, and a ball that bounces once in two seconds. There
/// is no camera here.</summary>
internal sealed class TestPicture(TimeProvider time) : IFrameSource
{
    private const int Width = 320;
    private const int Height = 240;

    private static readonly SKColor[] Bars =
        [SKColors.White, new(0xFFC0C000), new(0xFF00C0C0), new(0xFF00C000), new(0xFFC000C0), new(0xFFC00000),
            new(0xFF0000C0)];

    private readonly long _start = time.GetTimestamp();

    public SKBitmap Frame() => At(time.GetElapsedTime(_start));

    /// <summary>The frame at a time since the start.</summary>
    internal static SKBitmap At(TimeSpan elapsed)
    {
        var frame = new SKBitmap(new SKImageInfo(Width, Height, SKColorType.Bgra8888, SKAlphaType.Premul));
        using var canvas = new SKCanvas(frame);
        using var paint = new SKPaint { IsAntialias = true };
        float bar = (float)Width / Bars.Length;
        for (int i = 0; i < Bars.Length; i++)
        {
            paint.Color = Bars[i];
            canvas.DrawRect(i * bar, 0, bar + 1, Height * 0.75f, paint);
        }

        for (int i = 0; i < 16; i++)
        {
            paint.Color = new SKColor((byte)(17 * i), (byte)(17 * i), (byte)(17 * i));
            canvas.DrawRect(i * Width / 16f, Height * 0.75f, Width / 16f + 1, Height * 0.25f, paint);
        }

        // Across in five seconds and back, one bounce in two.
        double across = elapsed.TotalSeconds / 5 % 2;
        float x = (float)(across < 1 ? across : 2 - across) * (Width - 60) + 30;
        float y = Height - 30 - (float)Math.Abs(Math.Sin(elapsed.TotalSeconds * Math.PI / 2)) * (Height - 60);
        paint.Color = SKColors.Black;
        canvas.DrawCircle(x, y, 27, paint);
        paint.Color = SKColors.OrangeRed;
        canvas.DrawCircle(x, y, 23, paint);
        paint.Color = SKColors.White;
        canvas.DrawCircle(x - 8, y - 8, 6, paint);
        return frame;
    }
}
