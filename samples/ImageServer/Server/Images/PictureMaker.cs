using System.Diagnostics;
using ImageServer.Protocol;
using ImageServer.Server.State;
using Microsoft.Extensions.Caching.Memory;
using SkiaSharp;

namespace ImageServer.Server.Images;

/// <summary>Makes answers from files, from bytes and from frames. What was made from a file is kept by file and mode,
/// within a bound in bytes.</summary>
internal sealed class PictureMaker(ConversionPool pool, ImageSettings settings, ServerMetrics metrics) : IDisposable
{
    private readonly MemoryCache _cache = new(
        new MemoryCacheOptions { SizeLimit = settings.CacheBytes, TrackStatistics = true });

    /// <summary>Bytes of converted files that are kept now.</summary>
    public long BytesKept => _cache.GetCurrentStatistics()?.CurrentEstimatedSize ?? 0;

    /// <summary>A file as an answer.</summary>
    /// <exception cref="ImageRefusedException">It is no picture, or too large, or another file now.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It must not be read.</exception>
    public async Task<byte[]> FromFileAsync(ImageFile file, GraphicsMode mode, CancellationToken cancellationToken)
    {
        var key = (file, mode);
        byte[]? kept = _cache.Get<byte[]>(key);
        metrics.CacheLookup(kept is not null);
        return kept ?? await pool.RunAsync(
            () => _cache.Get<byte[]>(key) ?? Keep(key, Make(Read(file), mode)), cancellationToken);
    }

    /// <summary>Bytes of an image in its own format as an answer.</summary>
    /// <exception cref="ImageRefusedException">They are no picture, or too large a one.</exception>
    public Task<byte[]> FromBytesAsync(
        ReadOnlyMemory<byte> bytes, GraphicsMode mode, CancellationToken cancellationToken)
        => pool.RunAsync(() => Make(bytes.ToArray(), mode), cancellationToken);

    /// <summary>A frame as an answer.</summary>
    public Task<byte[]> FromFrameAsync(Func<SKBitmap> frame, GraphicsMode mode, CancellationToken cancellationToken)
        => pool.RunAsync(() =>
        {
            using var bitmap = frame();
            return Wire.Picture(ImageConverter.Convert(bitmap, mode));
        }, cancellationToken);

    public void Dispose() => _cache.Dispose();

    private byte[] Make(byte[] bytes, GraphicsMode mode)
    {
        long start = Stopwatch.GetTimestamp();
        using var bitmap = ImageDecoder.Decode(bytes, settings.MaxPixels);
        byte[] answer = Wire.Picture(ImageConverter.Convert(bitmap, mode));
        metrics.Converted(mode, Stopwatch.GetElapsedTime(start));
        return answer;
    }

    private byte[] Keep(object key, byte[] answer)
        => _cache.Set(key, answer, new MemoryCacheEntryOptions { Size = answer.Length });

    private static byte[] Read(ImageFile file)
    {
        // The folder was looked through a while ago: a link may have taken the file's place, or more bytes.
        var now = new FileInfo(file.Path);
        if (now.LinkTarget is not null || !now.Exists || now.Length != file.Bytes)
            throw new ImageRefusedException("The file has changed");
        return File.ReadAllBytes(file.Path);
    }
}
