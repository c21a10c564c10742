using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using ImageServer.Protocol;
using ImageServer.Server;
using ImageServer.Server.Images;
using ImageServer.Server.State;
using ImageServer.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using SkiaSharp;

namespace ImageServer.Tests;

public sealed class PictureMakerTests : IAsyncLifetime
{
    // Two pictures of mode 2 fit, three do not.
    private readonly ImageSettings _settings = new() { CacheBytes = 2 * 8807 + 100, MaxPixels = 1_000_000 };
    private readonly ConcurrentQueue<string> _lookups = new();
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("image-test-");
    private readonly ConversionPool _pool = new();
    private readonly MeterListener _listener = new();
    private readonly StateOwner _owner;
    private readonly ServerMetrics _metrics;
    private readonly PictureMaker _maker;

    public PictureMakerTests()
    {
        _owner = new StateOwner(_settings, TimeProvider.System, NullLogger<StateOwner>.Instance);
        _metrics = new ServerMetrics(_owner);
        _maker = new PictureMaker(_pool, _settings, _metrics);
    }

    public async ValueTask InitializeAsync()
    {
        // Of this test's own instruments alone: others run beside it.
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter, _metrics.Meter) && instrument.Name == "imageserver.cache.lookups")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((_, _, tags, _) => _lookups.Enqueue((string)tags[0].Value!));
        _listener.Start();
        await _pool.StartAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.StopAsync(CancellationToken.None);
        _pool.Dispose();
        _maker.Dispose();
        _listener.Dispose();
        _metrics.Dispose();
        _owner.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_file_is_converted_once_for_each_mode_and_again_when_it_has_changed()
    {
        var file = Write("a.png", SKColors.White);
        byte[] first = await MakeAsync(file, GraphicsMode.Graphics8);
        Assert.Same(first, await MakeAsync(file, GraphicsMode.Graphics8));
        Assert.NotEqual(first.Length, (await MakeAsync(file, GraphicsMode.Vbxe256)).Length);
        Assert.NotEqual(first, await MakeAsync(Write("a.png", SKColors.Black), GraphicsMode.Graphics8));
        Assert.Equal(["miss", "hit", "miss", "miss"], _lookups);
    }

    [Fact]
    public async Task No_more_bytes_are_kept_than_the_bound()
    {
        var files = Enumerable.Range(0, 6).Select(i => Write($"{i}.png", new SKColor((byte)(40 * i), 0, 0))).ToList();
        foreach (var file in files)
            await MakeAsync(file, GraphicsMode.Graphics8);
        await Until.TrueAsync(() => _maker.BytesKept <= _settings.CacheBytes, "what is too much has gone");
        byte[] big = await MakeAsync(files[0], GraphicsMode.Vbxe256); // larger than all that may be kept
        Assert.NotSame(big, await MakeAsync(files[0], GraphicsMode.Vbxe256));
    }

    [Fact]
    public async Task As_many_are_made_at_once_as_there_are_cores_and_one_that_is_no_longer_wanted_is_passed_over()
    {
        var (running, most, made) = (0, 0, 0);
        using var gate = new ManualResetEventSlim();
        using var unwanted = new CancellationTokenSource();
        var work = Enumerable.Range(0, 4 * Environment.ProcessorCount).Select(i => _pool.RunAsync(() =>
        {
            InterlockedMax(ref most, Interlocked.Increment(ref running));
            gate.Wait(TestContext.Current.CancellationToken);
            Interlocked.Decrement(ref running);
            return Interlocked.Increment(ref made);
        }, CancellationToken.None)).ToList();
        var passedOver = _pool.RunAsync(() => Interlocked.Increment(ref made), unwanted.Token);
        await Until.TrueAsync(() => Volatile.Read(ref running) == Environment.ProcessorCount, "each core has work");
        await unwanted.CancelAsync();
        gate.Set();
        await Task.WhenAll(work);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => passedOver);
        Assert.Equal(Environment.ProcessorCount, most);
        Assert.Equal(work.Count, made);
    }

    private Task<byte[]> MakeAsync(ImageFile file, GraphicsMode mode)
        => _maker.FromFileAsync(file, mode, TestContext.Current.CancellationToken);

    private ImageFile Write(string name, SKColor color)
    {
        string path = Path.Combine(_folder.FullName, name);
        using var plain = Images.Plain(32, 24, color);
        File.WriteAllBytes(path, Images.Encode(plain, SKEncodedImageFormat.Png));
        var info = new FileInfo(path);
        return new ImageFile(path, info.Length, info.LastWriteTimeUtc);
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (int seen = Volatile.Read(ref most); value > seen
            && Interlocked.CompareExchange(ref most, value, seen) is var now && now != seen; seen = now)
        {
        }
    }
}
