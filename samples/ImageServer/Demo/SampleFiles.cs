using ImageWorkers.Painting;
using SkiaSharp;

namespace ImageServer.Demo;

/// <summary>A folder with a picture in each format, for <c>files</c>. It goes when it is disposed.</summary>
internal sealed class SampleFiles : IDisposable
{
    // 2 × 2 pixels: red and green over blue and white.
    private const string Gif = "R0lGODdhAgACAJEAAP8AAAD/AAAA/////ywAAAAAAgACAAACA0Q0BQA7";

    private SampleFiles(string folder) => Folder = folder;

    public string Folder { get; }

    public static async Task<SampleFiles> MakeAsync(CancellationToken cancellationToken)
    {
        var files = new SampleFiles(Directory.CreateTempSubdirectory("image-server-").FullName);
        await files.DrawAsync(
            "a white house and three trees in a meadow", "house.png", SKEncodedImageFormat.Png, cancellationToken);
        await files.DrawAsync("two yellow fish in the sea", "fish.jpg", SKEncodedImageFormat.Jpeg, cancellationToken);
        await files.DrawAsync(
            "a rocket and eight stars in space", "rocket.webp", SKEncodedImageFormat.Webp, cancellationToken);
        await File.WriteAllBytesAsync(
            Path.Combine(files.Folder, "four.gif"), Convert.FromBase64String(Gif), cancellationToken);
        return files;
    }

    public IEnumerable<byte[]> Contents => Directory.EnumerateFiles(Folder).Select(File.ReadAllBytes);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private async Task DrawAsync(
        string prompt, string name, SKEncodedImageFormat format, CancellationToken cancellationToken)
    {
        using var bitmap = SKBitmap.Decode((await new Painter().DrawAsync(prompt, 0, cancellationToken)).Span);
        using var encoded = bitmap.Encode(format, quality: 90);
        await File.WriteAllBytesAsync(Path.Combine(Folder, name), encoded.ToArray(), cancellationToken);
    }
}
