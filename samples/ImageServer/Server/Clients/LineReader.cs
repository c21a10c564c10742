using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using ImageServer.Protocol;

namespace ImageServer.Server.Clients;

/// <summary>A line that a client sent; null text when it was too long.</summary>
internal readonly record struct Line(string? Text);

/// <summary>The client has to go: it said nothing for too long, or began a line and did not end it.</summary>
internal sealed class ClientCutOffException(string reason, string message) : Exception(message)
{
    /// <summary>The reason in one word, for metrics.</summary>
    public string Reason { get; } = reason;
}

/// <summary>Parts what a client sends into lines. Their length, the time that they take and the memory that they need
/// are bounded.</summary>
internal sealed class LineReader(Stream stream, ImageSettings settings, TimeProvider time)
{
    /// <summary>The longest line, in bytes without its end.</summary>
    public const int MaxLineBytes = 4096;

    /// <summary>How much of a line that is too long is passed over before its client is cut off.</summary>
    public const int MaxSkippedBytes = 4 << 20;

    private static readonly SearchValues<byte> LineEnds = SearchValues.Create(
        (byte)'\r', (byte)'\n', ImageConnection.LineEnd);

    private readonly PipeReader _pipe = PipeReader.Create(
        stream, new StreamPipeReaderOptions(bufferSize: 2 * MaxLineBytes, minimumReadSize: 256));
    private long? _lineBegan;

    /// <summary>The next line that is not empty; null when the client will send no more.</summary>
    /// <param name="isBusy">Whether the client waits for an answer, and is not idle therefore.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="ClientCutOffException">The client has to go.</exception>
    public async Task<Line?> NextAsync(Func<bool> isBusy, CancellationToken cancellationToken)
    {
        long skipped = 0L;
        while (true)
        {
            var read = await ReadAsync(isBusy, cancellationToken);
            var buffer = read.Buffer;
            if (FindEnd(buffer) is { } end)
            {
                var line = buffer.Slice(0, end);
                bool isTooLong = skipped + line.Length > MaxLineBytes;
                string? text = isTooLong ? null : Encoding.UTF8.GetString(line);
                _pipe.AdvanceTo(buffer.GetPosition(1, end));
                _lineBegan = null;
                if (isTooLong || !string.IsNullOrWhiteSpace(text))
                    return new Line(text);
                skipped = 0;
                continue;
            }

            if (read.IsCompleted)
            {
                _pipe.AdvanceTo(buffer.End);
                return null; // what was begun and not ended is no line
            }

            _lineBegan ??= buffer.IsEmpty ? null : time.GetTimestamp();
            if (skipped > 0 || buffer.Length > MaxLineBytes)
            {
                skipped += buffer.Length;
                _pipe.AdvanceTo(buffer.End);
                if (skipped > MaxSkippedBytes)
                    throw new ClientCutOffException("endless_line", $"A line has at most {MaxLineBytes} bytes.");
            }
            else
            {
                _pipe.AdvanceTo(buffer.Start, buffer.End);
            }
        }
    }

    // An idle client may take its time. A line that was begun has less, and more of it gives it no more.
    private async Task<ReadResult> ReadAsync(Func<bool> isBusy, CancellationToken cancellationToken)
    {
        while (true)
        {
            var left = _lineBegan is { } began ? settings.LineTimeout - time.GetElapsedTime(began)
                : settings.IdleTimeout;
            if (left <= TimeSpan.Zero)
                throw new ClientCutOffException("slow_line", "A line must end in time.");
            using var limit = new CancellationTokenSource(left, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
            try
            {
                return await _pipe.ReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                if (_lineBegan is null && !isBusy())
                    throw new ClientCutOffException("idle", "Nothing was said for too long.");
            }
        }
    }

    private static SequencePosition? FindEnd(ReadOnlySequence<byte> buffer)
    {
        long at = 0L;
        foreach (var segment in buffer)
        {
            int index = segment.Span.IndexOfAny(LineEnds);
            if (index >= 0)
                return buffer.GetPosition(at + index);
            at += segment.Length;
        }

        return null;
    }
}
