using System.Collections.Concurrent;
using ImageServer.Protocol;
using ImageServer.Server.Images;
using ImageWorkers.Painting;
using ImageWorkers.Searching;

namespace ImageServer.Demo;

/// <summary>Knows to the byte what the server has to answer: draws, converts and packs by itself, once for each
/// picture.</summary>
internal sealed class ExpectedPictures(SampleFiles files, byte[] sitePicture)
{
    private const long AnySize = 100_000_000;

    private readonly Painter _painter = new();
    private readonly Catalogue _catalogue = new(new Painter(), folder: null);
    private readonly ConcurrentDictionary<(string Title, int Number, GraphicsMode Mode),
        Lazy<Task<byte[]>>> _made = new();
    private readonly ConcurrentDictionary<GraphicsMode, Lazy<byte[][]>> _files = new();

    public Task<byte[]> GeneratedAsync(string prompt, int seed, GraphicsMode mode)
        => OnceAsync($"gen {prompt}", seed, mode, () => _painter.DrawAsync(prompt, seed, CancellationToken.None));

    public Task<byte[]> FoundAsync(string words, int number, GraphicsMode mode)
        => OnceAsync(
            $"search {words}", number, mode, ()
            => _catalogue.Find(words) is var found ? found[number % found.Count].LoadAsync(CancellationToken.None)
            : null!);

    public Task<byte[]> FromSiteAsync(GraphicsMode mode)
        => OnceAsync("site", 0, mode, () => Task.FromResult<ReadOnlyMemory<byte>>(sitePicture));

    public bool IsOfAFile(ReadOnlySpan<byte> answer, GraphicsMode mode)
    {
        foreach (byte[] expected in _files.GetOrAdd(
            mode, m => new(() => [.. files.Contents.Select(file => Convert(file, m))])).Value)
        {
            if (answer.SequenceEqual(expected))
                return true;
        }

        return false;
    }

    private Task<byte[]> OnceAsync(string title, int number, GraphicsMode mode, Func<Task<ReadOnlyMemory<byte>>> draw)
        => _made.GetOrAdd((title, number, mode), _ => new(async () => Convert((await draw()).ToArray(), mode))).Value;

    private static byte[] Convert(byte[] image, GraphicsMode mode)
    {
        using var bitmap = ImageDecoder.Decode(image, AnySize);
        return Wire.Picture(ImageConverter.Convert(bitmap, mode));
    }
}
