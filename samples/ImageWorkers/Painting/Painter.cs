using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>
/// Paints a prompt without any network, by rules: its words decide scene, light, colours, kinds and numbers; the seed
/// decides where things are. It is no model of anything, and honest about it: what it does not know becomes an emblem.
/// </summary>
internal sealed class Painter : IImageModel
{
    private static readonly SKSize Size = new(640, 480);

    public string Name => "painter";

    public Task<ReadOnlyMemory<byte>> DrawAsync(string prompt, int seed, CancellationToken unwanted)
    {
        unwanted.ThrowIfCancellationRequested();
        using var bitmap = Paint(PromptReader.Read(prompt), new Randomness(prompt, seed));
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, quality: 100);
        return Task.FromResult<ReadOnlyMemory<byte>>(png.ToArray());
    }

    internal static SKBitmap Paint(Scene scene, Randomness random)
    {
        var bitmap = new SKBitmap(
            new SKImageInfo((int)Size.Width, (int)Size.Height, SKColorType.Bgra8888, SKAlphaType.Premul));
        using var canvas = new SKCanvas(bitmap);
        using var pen = new Pen(canvas);
        Backdrop.Draw(pen, scene, random, Size);
        foreach (var (group, place) in Layout.Of(scene, random, Size))
        {
            canvas.Save();
            canvas.Translate(place.MidX, place.MidY);
            canvas.Scale(place.Width / 2, place.Height / 2);
            Figures.Draw(pen, group);
            canvas.Restore();
        }

        return bitmap;
    }
}
