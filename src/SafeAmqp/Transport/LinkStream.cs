using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>
/// The stream that RabbitMQ.Client reads and writes: our socket, with or without TLS, behind a guard for what comes in and a
/// gatherer for what goes out. It is the one place that knows when a link has ended: after the end reads throw, and writes
/// succeed and are dropped, because a write that throws ends RabbitMQ.Client's write loop and strands its publishers, while all
/// that is lost here is unconfirmed and reported as unknown anyway.
/// </summary>
/// <remarks>
/// Any thread may call <see cref="Abandon"/>, <see cref="DrainAsync"/>, dispose and read the figures at any time. One thread receives (<see cref="IInbound"/>). Reading is for
/// one reader. There is no synchronous reading or writing, and cancellation does not reach writes: half a frame cannot be taken back.
/// </remarks>
internal sealed partial class LinkStream : NetworkStream
{
    private readonly Socket _socket;
    private readonly Stream _wire;
    private readonly TimeProvider _time;
    private readonly FrameGuard _guard;
    private readonly WriteGatherer _writes;
    private readonly Lock _door = new();
    private readonly ClientFrames _clientFrames = new();

    /// <remarks>
    /// Takes a connected socket and what carries the bytes over it, an authenticated SslStream, or null for the socket itself; both
    /// are owned from here on. The callback is called exactly once, on the thread that ended the link, with no lock held, when
    /// <see cref="End"/> is set already and before the socket is closed. Its argument is the reason, null after <see cref="LinkEnd.PeerClosed"/> and
    /// <see cref="LinkEnd.Disposed"/>. It must neither block nor throw.
    /// </remarks>
    public LinkStream(Socket socket, Stream? wire, LinkStreamOptions options, FrameTap tap, Action<Exception?> ended)
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
        _received = new ServerFrames(tap, _inlet);
        _isPlain = wire is null;
        if (_isPlain) socket.Blocking = false; // what is not there yet is not waited for
        _lastReceived = _time.GetTimestamp();
    }

    /// <inheritdoc cref="WriteGatherer.LastSent"/>
    public long LastSent => _writes.LastSent;

    public long BytesSent => _writes.BytesSent;

    /// <summary>How many calls carried <see cref="BytesSent"/>.</summary>
    public long Sends => _writes.Sends;

    /// <inheritdoc cref="WriteGatherer.BufferedBytes"/>
    public int BufferedBytes => _writes.BufferedBytes;

    /// <summary>Whether bytes have come that nobody has read yet: a peer that is alive and a reader that is starved. What a peer that is gone left behind is no sign of life.</summary>
    public bool HasUnreadBytes
    {
        get
        {
            try
            {
                return !HasEnded && (_inlet.HasUnread || _socket.Available > 0);
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

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>What RabbitMQ.Client writes.</summary>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ValueTask taken;
        bool send;
        lock (_door) taken = _writes.Enter(_clientFrames.Take(buffer), out send);
        if (send) _writes.Send();
        return taken;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Sends whole frames of ours. Those of a channel that RabbitMQ.Client has closed are dropped.</summary>
    /// <returns>Never fails. Completes when the memory may be used again and more can be sent.</returns>
    public ValueTask SendAsync(ReadOnlyMemory<byte> frames)
    {
        ValueTask taken;
        bool send;
        lock (_door) taken = _writes.Enter(_clientFrames.WithoutClosed(frames), out send);
        if (send) _writes.Send();
        return taken;
    }

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

    private static NotSupportedException AsynchronousOnly() => new("A link's stream is read and written asynchronously only.");
}
