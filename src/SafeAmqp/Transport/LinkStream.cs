using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace SafeAmqp.Transport;

/// <summary>
/// The stream that RabbitMQ.Client reads and writes: our socket, with or without TLS, behind a guard for what comes in and a
/// gatherer for what goes out. It is the one place that knows when a link has ended: after the end reads throw, and writes
/// succeed and are dropped, because a write that throws ends RabbitMQ.Client's write loop and strands its publishers, while all
/// that is lost here is unconfirmed and reported as unknown anyway.
/// </summary>
/// <remarks>
/// Any thread may call <see cref="Abandon"/>, <see cref="DrainAsync"/>, dispose and read the figures at any time. Reading is for
/// one reader. There is no synchronous reading or writing, and cancellation does not reach writes: half a frame cannot be taken back.
/// </remarks>
internal sealed partial class LinkStream : NetworkStream
{
    // RabbitMQ.Client's pipe asks for 4 KiB at a time. One call for 64 KiB serves up to sixteen of its reads, and most frames lie
    // whole in one slice, where the guard need not copy. Below the 85,000 bytes of the large object heap.
    private const int ReadAheadSize = 64 * 1024;

    private readonly Socket _socket;
    private readonly Stream _wire;
    private readonly TimeProvider _time;
    private readonly FrameGuard _guard;
    private readonly WriteGatherer _writes;
    private readonly byte[] _readAhead = new byte[ReadAheadSize];
    private int _readStart, _readEnd, _reading;
    private long _lastReceived, _bytesReceived;

    /// <remarks>
    /// Takes a connected socket and what carries the bytes over it, an authenticated SslStream, or null for the socket itself; both
    /// are owned from here on. The callback is called exactly once, on the thread that ended the link, with no lock held, when
    /// <see cref="End"/> is set already and before the socket is closed. Its argument is the reason, null after <see cref="LinkEnd.PeerClosed"/> and
    /// <see cref="LinkEnd.Disposed"/>. It must neither block nor throw.
    /// </remarks>
    public LinkStream(Socket socket, Stream? wire, LinkStreamOptions options, Action<Exception?> ended)
        : base(socket, ownsSocket: false)
    {
        options.Validate();
        _socket = socket;
        _wire = wire ?? new NetworkStream(socket, ownsSocket: false);
        _time = options.TimeProvider;
        _drainTimeout = options.DrainTimeout;
        _ended = ended;
        _guard = new FrameGuard(options.MaxFrameSize, options.MaxInboundBodySize);
        _writes = new WriteGatherer(_wire, options.MaxBufferedBytes, _time, e => TryEnd(LinkEnd.Failed, e));
        _lastReceived = _time.GetTimestamp();
    }

    /// <summary>When bytes last came (<see cref="TimeProvider.GetTimestamp"/>); at first, when the link began.</summary>
    public long LastReceived => Volatile.Read(ref _lastReceived);

    public long BytesReceived => Volatile.Read(ref _bytesReceived);

    /// <inheritdoc cref="WriteGatherer.LastSent"/>
    public long LastSent => _writes.LastSent;

    public long BytesSent => _writes.BytesSent;

    /// <summary>How many calls carried <see cref="BytesSent"/>.</summary>
    public long Sends => _writes.Sends;

    /// <inheritdoc cref="WriteGatherer.BufferedBytes"/>
    public int BufferedBytes => _writes.BufferedBytes;

    /// <summary>Whether bytes have come that nobody has read yet: a peer that is alive and a reader that is starved.</summary>
    public bool HasUnreadBytes
    {
        get
        {
            try
            {
                return _readStart != _readEnd || _socket.Available > 0;
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException)
            {
                return false;
            }
        }
    }

    // RabbitMQ.Client sets both. They would only apply to synchronous calls; the watchdog decides when a peer is dead.
    public override int ReadTimeout { get; set; } = Timeout.Infinite;

    public override int WriteTimeout { get; set; } = Timeout.Infinite;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _reading, 1) != 0) throw new InvalidOperationException("A link's stream has one reader; this is a second.");
        if (_readStart == _readEnd || End != LinkEnd.None) return ReceiveAsync(buffer, cancellationToken);

        int count = TakeReadAhead(buffer.Span);
        Volatile.Write(ref _reading, 0);
        return new ValueTask<int>(count);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _writes.WriteAsync(buffer);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        _writes.WriteAsync(buffer.AsMemory(offset, count)).AsTask();

    // RabbitMQ.Client flushes after every message, so a flush marks no end of a batch; what was written is on its way.
    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The base class would do these past the guard and the gatherer.
    public override int Read(byte[] buffer, int offset, int count) => throw AsynchronousOnly();

    public override int Read(Span<byte> buffer) => throw AsynchronousOnly();

    public override int ReadByte() => throw AsynchronousOnly();

    public override void Write(byte[] buffer, int offset, int count) => throw AsynchronousOnly();

    public override void Write(ReadOnlySpan<byte> buffer) => throw AsynchronousOnly();

    public override void WriteByte(byte value) => throw AsynchronousOnly();

    // A pooled state machine: a read that has to wait, the rule on a busy link, allocates nothing.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            if (End == LinkEnd.None)
            {
                int count = await _wire.ReadAsync(_readAhead, cancellationToken).ConfigureAwait(false);
                if (End == LinkEnd.None && count > 0)
                {
                    Received(count);
                    return TakeReadAhead(buffer.Span);
                }

                // RabbitMQ.Client's reader would go round for ever: its pipe has ended, and is not empty.
                if (End == LinkEnd.None && _guard.IsInsideFrame) throw new EndOfStreamException("The peer closed the connection inside a frame.");
                TryEnd(LinkEnd.PeerClosed, null);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e)
        {
            // The guard's own exception is what the reader is to see, whether or not the link ended in the meantime.
            if (TryEnd(LinkEnd.Failed, e) && e is IOException) throw;
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }

        return End == LinkEnd.PeerClosed ? 0 : throw new IOException($"The link's stream has ended ({End}).", Reason);
    }

    private void Received(int count)
    {
        // Before the guard: a peer that sends nonsense is alive.
        Volatile.Write(ref _lastReceived, _time.GetTimestamp());
        Volatile.Write(ref _bytesReceived, _bytesReceived + count);
        _guard.Check(_readAhead.AsSpan(0, count));
        _readStart = 0;
        _readEnd = count;
    }

    private int TakeReadAhead(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _readEnd - _readStart);
        _readAhead.AsSpan(_readStart, count).CopyTo(buffer);
        _readStart += count;
        return count;
    }

    private static NotSupportedException AsynchronousOnly() => new("A link's stream is read and written asynchronously only.");
}
