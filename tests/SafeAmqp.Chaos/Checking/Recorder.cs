using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using System.Threading.Channels;

namespace SafeAmqp.Chaos.Checking;

/// <summary>
/// Writes the history and hands each line to the checker, in one order. Any thread may record; one task writes.
/// </summary>
internal sealed class Recorder : IAsyncDisposable
{
    private readonly Channel<HistoryEvent> _lines = Channel.CreateUnbounded<HistoryEvent>(
        new UnboundedChannelOptions { SingleReader = true });
    private readonly RunChecker _checker;
    private readonly StreamWriter _file;
    private readonly Task _writing;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Lock _order = new();

    internal Recorder(string path, RunChecker checker)
    {
        _checker = checker;
        Stream stream = File.Create(path);
        if (path.EndsWith(".gz", StringComparison.Ordinal))
            stream = new GZipStream(stream, CompressionLevel.Fastest);
        _file = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16);
        _writing = WriteAsync();
    }

    /// <summary>Sees each line right after the checker.</summary>
    internal Action<HistoryEvent>? Also { get; set; }

    /// <summary>Milliseconds since the run began.</summary>
    internal double Now => Stopwatch.GetElapsedTime(_start).TotalMilliseconds;

    internal double Record(HistoryEvent line)
    {
        lock (_order) // times and lines in one order
        {
            double now = Math.Round(Now, 2);
            _lines.Writer.TryWrite(line with { At = now });
            return now;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _lines.Writer.TryComplete();
        await _writing;
        await _file.DisposeAsync();
    }

    private async Task WriteAsync()
    {
        await foreach (HistoryEvent line in _lines.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            _checker.Apply(line);
            Also?.Invoke(line);
            await _file.WriteLineAsync(line.ToLine()).ConfigureAwait(false);
        }
    }
}
