using System.Diagnostics;
using System.IO.Pipelines;

namespace SafeAmqp.Broker;

/// <summary>
/// The bytes that RabbitMQ.Client has yet to read. One thread writes and never waits; one reader reads.
/// </summary>
internal sealed class InboundPipe
{
    private const int FullAt = 512 * 1024, RoomAgainAt = 128 * 1024;

    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private long _put, _taken;
    private volatile bool _isAwaited, _isFull;

    /// <summary>Called by the reader when there is room again after it was full. Set before the first use.</summary>
    internal Action HasRoom { get; set; } = static () => { };

    /// <summary>Whether so much is unread that nothing more should be written.</summary>
    internal bool IsFull => _isFull;

    /// <summary>Whether there are unread bytes.</summary>
    internal bool HasUnread => Volatile.Read(ref _put) != Volatile.Read(ref _taken);

    /// <summary>
    /// Whether the reader has read everything and waits for more. For the writing thread.
    /// </summary>
    internal bool IsDone => !HasUnread && _isAwaited;

    internal void Put(ReadOnlySpan<byte> bytes)
    {
        Volatile.Write(ref _put, _put + bytes.Length); // first: from here on it is unread
        bytes.CopyTo(_pipe.Writer.GetSpan(bytes.Length));
        _pipe.Writer.Advance(bytes.Length);
        ValueTask<FlushResult> flushed = _pipe.Writer.FlushAsync();
        Debug.Assert(flushed.IsCompleted, "Without a threshold it never waits.");
        if (Unread < FullAt)
            return;
        _isFull = true;
        Interlocked.MemoryBarrier(); // the reader counts, then looks at the flag
        if (Unread <= RoomAgainAt)
            _isFull = false;
    }

    /// <summary>
    /// Releases a reader that waits in <see cref="TakeAsync"/>, with nothing read. Any thread may call it.
    /// </summary>
    internal void StopWaiting() => _pipe.Reader.CancelPendingRead();

    /// <summary>Nothing more will come.</summary>
    internal void Complete() => _pipe.Writer.Complete();

    /// <returns>How many bytes were taken; 0 when all has been and nothing more will come.</returns>
    internal async ValueTask<int> TakeAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (!_pipe.Reader.TryRead(out ReadResult read))
        {
            _isAwaited = true;
            try
            {
                read = await _pipe.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _isAwaited = false; // before what was read counts as taken
            }
        }
        int count = (int)Math.Min(buffer.Length, read.Buffer.Length);
        SequencePosition end = read.Buffer.GetPosition(count);
        System.Buffers.BuffersExtensions.CopyTo(read.Buffer.Slice(0, end), buffer.Span);
        _pipe.Reader.AdvanceTo(end);
        Volatile.Write(ref _taken, _taken + count);
        Interlocked.MemoryBarrier();
        if (_isFull && Unread <= RoomAgainAt)
        {
            _isFull = false;
            HasRoom();
        }
        return count;
    }

    private long Unread => Volatile.Read(ref _put) - Volatile.Read(ref _taken);
}
