using System.Diagnostics;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using RabbitMQ.Client;
using SafeAmqp.Actor;
using SafeAmqp.Telemetry;
using SafeAmqp.Transport;
using SafeAmqp.Wire;

namespace SafeAmqp.Broker;

/// <summary>The stream that RabbitMQ.Client reads and writes. It reads what the frame reader passes on; what it writes
/// is gathered with our own frames. After the end reads throw, and writes succeed and are dropped: a write that throws
/// ends RabbitMQ.Client's write loop and strands its publishers, while all that is lost here is unconfirmed and
/// reported as unknown anyway.</summary>
/// <remarks>There may be only one reader.</remarks>
internal sealed class ClientStream : LinkStream
{
    /// <summary>RabbitMQ.Client closes a connection on which it reads nothing for two heartbeats, of 1 s at the
    /// least.</summary>
    private static readonly TimeSpan PulseGrain = TimeSpan.FromSeconds(0.5);

    private readonly FrameReader _incoming;
    private readonly InboundPipe _inbound;
    private readonly Lock _writeLock = new();
    private readonly ClientFrames _clientFrames = new();
    private long _lastPulse;
    private int _reading;

    /// <summary>As the base class; what comes goes through the frame reader, and its sink passes on what
    /// RabbitMQ.Client is to read.</summary>
    internal ClientStream(Socket socket, Stream? tls, FrameReader incoming, InboundPipe inbound, TimeProvider time,
        Action<Exception?> ended, int maxBufferedBytes = DefaultMaxBufferedBytes, TimeSpan? drainTimeout = null)
        : base(socket, tls, time, ended, maxBufferedBytes, drainTimeout)
    {
        _incoming = incoming;
        _inbound = inbound;
    }

    // RabbitMQ.Client sets both. They would only apply to synchronous calls; the watchdog decides when a peer is dead.
    public override int ReadTimeout { get; set; } = Timeout.Infinite;

    public override int WriteTimeout { get; set; } = Timeout.Infinite;
    public override bool CanRead => true;
    public override bool CanWrite => true;
    protected override Memory<byte> Room => _incoming.Room;
    protected override bool IsFull => _inbound.IsFull;
    protected override bool HasUnread => _inbound.HasUnread;
    protected override bool EndsInside => _incoming.IsInsideFrame;

    internal override void Begin(Action wake)
    {
        _lastPulse = Time.GetTimestamp();
        _inbound.HasRoom = wake;
        base.Begin(wake);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _reading, 1) != 0)
            throw new InvalidOperationException("A link's stream has one reader; this is a second.");
        try
        {
            int count = End == LinkEnd.None ? await _inbound.TakeAsync(buffer, cancellationToken).ConfigureAwait(false)
                : 0;
            if (count > 0 && End == LinkEnd.None)
                return count;
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }
        EndAsReceived();
        if (Reason is IOException error && error == ReceiveError)
            throw error;
        return End == LinkEnd.PeerClosed ? 0 : throw new IOException($"The link's stream has ended ({End}).", Reason);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>What RabbitMQ.Client writes.</summary>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ValueTask taken;
        bool send;
        lock (_writeLock)
            taken = Writes.Enter(_clientFrames.Take(buffer), out send);
        if (send)
            _ = Writes.SendAsync();
        return taken;
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Sends whole frames of ours. Those of a channel that RabbitMQ.Client has closed are dropped.</summary>
    /// <returns>Never fails. Completes when the memory may be used again and more can be sent.</returns>
    internal ValueTask SendAsync(ReadOnlyMemory<byte> frames)
    {
        ValueTask taken = default;
        bool isLent, send = false;
        lock (_writeLock)
        {
            frames = _clientFrames.WithoutClosed(frames);
            isLent = Writes.TryLend(frames);
            if (!isLent)
                taken = Writes.Enter(frames, out send);
        }
        if (isLent)
            return new ValueTask(Writes.SendAsync());
        if (send)
            _ = Writes.SendAsync();
        return taken;
    }

    // RabbitMQ.Client flushes after every message, so a flush marks no end of a batch; what was written is on its way.
    public override void Flush() { }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The base class would do these past the frame reader and the gatherer.
    public override int Read(byte[] buffer, int offset, int count) => throw AsynchronousOnly();

    public override int Read(Span<byte> buffer) => throw AsynchronousOnly();

    public override int ReadByte() => throw AsynchronousOnly();

    public override void Write(byte[] buffer, int offset, int count) => throw AsynchronousOnly();

    public override void Write(ReadOnlySpan<byte> buffer) => throw AsynchronousOnly();

    public override void WriteByte(byte value) => throw AsynchronousOnly();

    protected override void Received(int count)
    {
        _incoming.Received(count);
        Pulse(LastReceived);
    }

    protected override bool ReceivedAll()
    {
        // At once if the reader waits for more: on a starved pool it may take long to resume.
        bool isDone = _inbound.IsDone;
        if (isDone)
            EndAsReceived(); // before the reader learns that nothing more comes
        _inbound.Complete();
        return isDone;
    }

    protected override void OnEnded() => _inbound.StopWaiting();

    // The broker sends no heartbeats while it sends other frames, and RabbitMQ.Client sees few of those.
    private void Pulse(long now)
    {
        if (Time.GetElapsedTime(_lastPulse, now) < PulseGrain)
            return;
        _lastPulse = now;
        _inbound.Put(FrameFormat.HeartbeatFrame);
    }

    private static NotSupportedException AsynchronousOnly()
        => new("A link's stream is read and written asynchronously only.");
}

/// <summary>Gives RabbitMQ.Client our stream in place of its own socket. TLS lies inside ours, so the factory's stays
/// off.</summary>
internal sealed class SocketAdapter(Func<CancellationToken, Task<ClientStream>> connect) : ITcpClient
{
    private ClientStream? _stream;

    public bool Connected => _stream is { End: LinkEnd.None };
    public TimeSpan ReceiveTimeout { get; set; }
    public Socket Client => _stream?.Socket ?? throw new InvalidOperationException("Not connected.");

    public async Task ConnectAsync(IPAddress host, int port, CancellationToken cancellationToken = default)
        => _stream = await connect(cancellationToken).ConfigureAwait(false);

    public NetworkStream GetStream() => _stream ?? throw new InvalidOperationException("Not connected.");

    public void Close() => _stream?.Dispose();

    public void Dispose() => Close();
}

/// <summary>The bytes that RabbitMQ.Client has yet to read. One thread writes and never waits; one reader
/// reads.</summary>
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

    /// <summary>Whether the reader has read everything and waits for more. For the writing thread.</summary>
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

    /// <summary>Releases a reader that waits in <see cref="TakeAsync"/>, with nothing read. Any thread may call
    /// it.</summary>
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

/// <summary>Turns what comes in masses (confirms, returns and deliveries) into signals, stamped and in order.
/// RabbitMQ.Client would take them through its read loop and dispatcher, with wake-ups of the pool; all other frames
/// still go that way.</summary>
internal sealed class SignalSink(Action<BrokerSignal> post, InboundPipe client) : IFrameSink
{
    public void Acked(long channel, ulong sequence, bool multiple)
        => post(new BrokerSignal.Acked(channel, sequence, multiple));

    public void Nacked(long channel, ulong sequence, bool multiple)
        => post(new BrokerSignal.Nacked(channel, sequence, multiple));

    public void Returned(long channel, int slot, int code, string text)
        => post(new BrokerSignal.Returned(channel, slot, code, StatusText.Printable(text)));

    public void Delivered(long channel, ulong tag, bool redelivered, AmqpMessage message, DeliveryFlaw? flaw)
        => post(new BrokerSignal.Delivered(channel, tag, redelivered, message, flaw));

    public void FoundEmpty(long channel) => post(new BrokerSignal.FoundEmpty(channel));

    public void ConsumerStarted(long channel) => post(new BrokerSignal.ConsumerStarted(channel));

    public void Pass(ReadOnlySpan<byte> frames) => client.Put(frames);
}
