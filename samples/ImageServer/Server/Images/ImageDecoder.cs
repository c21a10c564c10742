using SkiaSharp;

namespace ImageServer.Server.Images;

/// <summary>Decodes PNG, JPEG, GIF and WebP, and nothing else. What a picture says about its size is checked before
/// memory is taken for it.</summary>
internal static class ImageDecoder
{
    /// <summary>The most bytes of a picture in its own format.</summary>
    public const int MaxBytes = 32 << 20;

    /// <summary>Decodes; of an animation the first frame. The right way up, whatever way a camera was held.</summary>
    /// <exception cref="ImageRefusedException">It is no picture, or too large.</exception>
    public static SKBitmap Decode(byte[] bytes, long maxPixels)
    {
        if (bytes.Length > MaxBytes)
            throw new ImageRefusedException($"The image has more than {MaxBytes >> 20} MiB");
        using var data = SKData.CreateCopy(bytes);
        using var codec = SKCodec.Create(data) ?? throw new ImageRefusedException("This is no image that can be read");
        if (codec.EncodedFormat is not (
            SKEncodedImageFormat.Png or SKEncodedImageFormat.Jpeg
            or SKEncodedImageFormat.Gif or SKEncodedImageFormat.Webp))
            throw new ImageRefusedException("Only PNG, JPEG, GIF and WebP are shown");
        if ((long)codec.Info.Width * codec.Info.Height > maxPixels)
            throw new ImageRefusedException(
                $"The image has {codec.Info.Width} × {codec.Info.Height} pixels, which is too many");

        var bitmap = new SKBitmap(
            new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Bgra8888, SKAlphaType.Premul));
        if (codec.GetPixels(bitmap.Info, bitmap.GetPixels()) is not SKCodecResult.Success)
        {
            bitmap.Dispose();
            throw new ImageRefusedException("The image is broken");
        }

        return Upright(bitmap, codec.EncodedOrigin);
    }

    private static SKBitmap Upright(SKBitmap bitmap, SKEncodedOrigin origin)
    {
        if (origin is SKEncodedOrigin.TopLeft)
            return bitmap;
        using (bitmap)
        {
            float w = bitmap.Width, h = bitmap.Height;
            // Rows: where x and y of the result come from.
            var turn = origin switch
            {
                SKEncodedOrigin.TopRight => new SKMatrix(-1, 0, w, 0, 1, 0, 0, 0, 1),
                SKEncodedOrigin.BottomRight => new SKMatrix(-1, 0, w, 0, -1, h, 0, 0, 1),
                SKEncodedOrigin.BottomLeft => new SKMatrix(1, 0, 0, 0, -1, h, 0, 0, 1),
                SKEncodedOrigin.LeftTop => new SKMatrix(0, 1, 0, 1, 0, 0, 0, 0, 1),
                SKEncodedOrigin.RightTop => new SKMatrix(0, -1, h, 1, 0, 0, 0, 0, 1),
                SKEncodedOrigin.RightBottom => new SKMatrix(0, -1, h, -1, 0, w, 0, 0, 1),
                SKEncodedOrigin.LeftBottom => new SKMatrix(0, 1, 0, -1, 0, w, 0, 0, 1),
                _ => SKMatrix.Identity,
            };
            bool isOnItsSide = origin is SKEncodedOrigin.LeftTop or SKEncodedOrigin.RightTop
                or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;
            var upright = new SKBitmap(
                bitmap.Info.WithSize(
                isOnItsSide ? bitmap.Height : bitmap.Width, isOnItsSide ? bitmap.Width : bitmap.Height));
            using var canvas = new SKCanvas(upright);
            canvas.SetMatrix(turn);
            canvas.DrawBitmap(bitmap, 0, 0, SKSamplingOptions.Default);
            return upright;
        }
    }
}
