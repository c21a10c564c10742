using System.Diagnostics;
using FederatedLearning.Messages;
using QuicTransports;

namespace FederatedLearning.Quic;

/// <summary>
/// The lines of a connection, one after the other, in one buffer. Empty lines are passed over. Bounded in length, and
/// in time: a peer that has begun a line has to go on with it.
/// </summary>
internal sealed class LineReader(IQuicConnection connection, TimeSpan stall, SemaphoreSlim? large = null) : IDisposable
{
    private const int Small = 4 << 10, Large = 1 << 20, StepInTime = 64 << 10;

    private byte[] _buffer = new byte[Small];
    private int _start, _scanned, _end;
    private bool _hasPlace;

    /// <summary>The most bytes of a line.</summary>
    public int Limit { get; set; } = MessageLimit.Bytes;

    /// <summary>The next line, valid until the next call; null at the end.</summary>
    /// <exception cref="QuicLostException">The connection is lost.</exception>
    /// <exception cref="LineRefusedException">The line is too long, or not finished in time.</exception>
    public async ValueTask<ReadOnlyMemory<byte>?> NextAsync(CancellationToken cancellationToken)
    {
        GiveBackPlace();
        long begun = Stopwatch.GetTimestamp();
        int atBegin = _end - _start;
        while (true)
        {
            int at = _buffer.AsSpan(_scanned, _end - _scanned).IndexOf((byte)'\n');
            if (at >= 0)
            {
                var line = _buffer.AsMemory(_start, _scanned + at - _start);
                _start = _scanned += at + 1;
                if (line.Span.TrimEnd((byte)'\r').IsEmpty)
                    continue;
                return line.Length <= Limit ? line : throw TooLong();
            }
            _scanned = _end;
            if (_end - _start > Limit)
                throw TooLong();
            await MakeRoomAsync(cancellationToken);
            bool isFirst = _end == _start;
            int read = await ReadAsync(begun, cancellationToken);
            // A line's time begins with its first byte, and again with each step.
            if (isFirst || _end - _start - atBegin >= StepInTime)
                (begun, atBegin) = (Stopwatch.GetTimestamp(), _end - _start);
            if (read == 0)
                return _end == _start ? null
                    : throw new LineRefusedException("the message ends without the end of its line");
            _end += read;
        }
    }

    public void Dispose() => GiveBackPlace();

    private LineRefusedException TooLong() => new($"the message has more than {Limit} bytes");

    // Between lines a peer may be silent as long as its connection stands.
    private async ValueTask<int> ReadAsync(long begun, CancellationToken cancellationToken)
    {
        if (_end == _start)
            return await connection.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var left = stall - Stopwatch.GetElapsedTime(begun);
        limit.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        try
        {
            return await connection.ReadAsync(_buffer.AsMemory(_end), limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new LineRefusedException(
                $"half a message came, and for {stall.TotalSeconds} s too little of its rest");
        }
    }

    // What is unread moves to the front; a buffer that is full of one line doubles, and beyond a bound waits for its
    // place.
    private async ValueTask MakeRoomAsync(CancellationToken cancellationToken)
    {
        int unread = _end - _start;
        if (unread == 0)
        {
            _start = _scanned = _end = 0;
            if (_buffer.Length > Large)
                _buffer = new byte[Small];
        }
        else if (_start > 0 && _end == _buffer.Length)
        {
            _buffer.AsSpan(_start, unread).CopyTo(_buffer);
            (_start, _scanned, _end) = (0, unread, unread);
        }
        if (_end < _buffer.Length)
            return;
        if (_buffer.Length >= Large && !_hasPlace && large is not null)
        {
            await large.WaitAsync(cancellationToken);
            _hasPlace = true;
        }
        int room = (int)Math.Min((long)_buffer.Length * 2, Limit + (long)Small);
        Array.Resize(ref _buffer, Math.Max(room, _buffer.Length + 1));
    }

    private void GiveBackPlace()
    {
        if (!_hasPlace)
            return;
        _hasPlace = false;
        large!.Release();
    }
}

/// <summary>A line that is no message: the connection cannot go on behind it.</summary>
internal sealed class LineRefusedException(string message) : Exception(message);
