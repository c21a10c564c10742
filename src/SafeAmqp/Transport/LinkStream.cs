using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>A connected socket, with or without TLS, as a stream: gathered writes go out, and what comes in is received
/// by the thread that waits for it. It is the one place that knows when a link has ended. What the bytes mean is for
/// the derived class, which is told of all that has come.</summary>
/// <remarks>Any thread may call <see cref="Abandon"/>, dispose and read the figures at any time. One thread receives.
/// There is no synchronous reading or writing, and cancellation does not reach writes: half a frame cannot be taken
/// back.</remarks>
internal abstract partial class LinkStream : NetworkStream
{
    /// <summary>How many bytes may be copied and not yet sent before a writer has to wait: 16 full TCP windows of 64
    /// KiB, so that the socket never runs dry, and little enough to drain on dispose.</summary>
    internal const int DefaultMaxBufferedBytes = 1024 * 1024;

    /// <summary>How long dispose goes on sending what is buffered before it closes the socket all the same.</summary>
    internal static readonly TimeSpan DefaultDrainTimeout = TimeSpan.FromSeconds(1);

    private readonly Socket _socket;
    private readonly Stream _wire;
    private readonly bool _isPlain;
    private Task<int>? _tlsRead;
    private Action? _wake;
    private Exception? _receiveError;
    private bool _hasReceivedAll;
    private long _lastReceived, _bytesReceived;

    /// <summary>Takes a connected socket and what carries the bytes over it, an authenticated SslStream, or null for
    /// the socket itself; both are owned from here on.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="tls">The TLS stream over it, if any.</param>
    /// <param name="time">The clock.</param>
    /// <param name="ended">Called exactly once, on the thread that ended the link, with no lock held, when
    /// <see cref="End"/> is set and before the socket is closed. Its argument is the reason, null after
    /// <see cref="LinkEnd.PeerClosed"/> and <see cref="LinkEnd.Disposed"/>. It must neither block nor throw.</param>
    /// <param name="maxBufferedBytes">See <see cref="DefaultMaxBufferedBytes"/>.</param>
    /// <param name="drainTimeout">Default: <see cref="DefaultDrainTimeout"/>.</param>
    protected LinkStream(Socket socket, Stream? tls, TimeProvider time, Action<Exception?> ended,
        int maxBufferedBytes = DefaultMaxBufferedBytes, TimeSpan? drainTimeout = null)
        : base(socket, ownsSocket: false)
    {
        _socket = socket;
        _wire = tls ?? new NetworkStream(socket, ownsSocket: false);
        _isPlain = tls is null;
        _drainTimeout = drainTimeout ?? DefaultDrainTimeout;
        _ended = ended;
        Time = time;
        Writes = new WriteGatherer(_wire, maxBufferedBytes, time, e => TryEnd(LinkEnd.Failed, e));
        if (_isPlain)
            socket.Blocking = false; // what is not there yet is not waited for
        _lastReceived = time.GetTimestamp();
    }

    /// <inheritdoc cref="WriteGatherer.LastSent"/>
    internal long LastSent => Writes.LastSent;

    internal long BytesSent => Writes.BytesSent;

    /// <summary>How many calls carried <see cref="BytesSent"/>.</summary>
    internal long Sends => Writes.Sends;

    /// <inheritdoc cref="WriteGatherer.BufferedBytes"/>
    internal int BufferedBytes => Writes.BufferedBytes;

    /// <summary>When bytes last came (<see cref="TimeProvider.GetTimestamp"/>); at first, when the link
    /// began.</summary>
    internal long LastReceived => Volatile.Read(ref _lastReceived);

    internal long BytesReceived => Volatile.Read(ref _bytesReceived);

    /// <summary>The socket to wait for; null while there is nothing to receive until the thread is woken.</summary>
    internal Socket? Awaited => _isPlain && MayReceive ? _socket : null;

    /// <summary>Whether nothing will be received any more.</summary>
    internal bool HasEnded => _hasReceivedAll || End != LinkEnd.None;

    /// <summary>Whether bytes have come that were not read yet: the peer is alive and the reader is starved. What a
    /// peer that is gone left behind is no sign of life.</summary>
    internal bool HasUnreadBytes
    {
        get
        {
            try
            {
                return !HasEnded && (HasUnread || _socket.Available > 0);
            }
            catch (Exception e) when (e is ObjectDisposedException or SocketException)
            {
                return false;
            }
        }
    }

    protected TimeProvider Time { get; }
    protected WriteGatherer Writes { get; }

    /// <summary>What was wrong with what came; null while nothing was.</summary>
    protected Exception? ReceiveError => Volatile.Read(ref _receiveError);

    /// <summary>Where the next bytes are to be put.</summary>
    protected abstract Memory<byte> Room { get; }

    /// <summary>Whether so much waits for the reader that nothing more should be received.</summary>
    protected virtual bool IsFull => false;

    /// <summary>Whether bytes wait for the reader.</summary>
    protected virtual bool HasUnread => false;

    /// <summary>Whether what has come ends within a unit that cannot be used in part.</summary>
    protected virtual bool EndsInside => false;

    private bool MayReceive => !HasEnded && !IsFull;

    /// <summary>Called once, by the thread that receives, before all else.</summary>
    /// <param name="wake">Wakes it, from any thread, when there may be something to receive that it does not wait
    /// for.</param>
    internal virtual void Begin(Action wake) => Volatile.Write(ref _wake, wake);

    /// <summary>Takes what has come, without waiting. Never throws: what is wrong with it ends the link.</summary>
    /// <returns>Whether anything had come, so that there may be more.</returns>
    internal virtual bool Receive()
    {
        if (!MayReceive)
            return false;
        try
        {
            int count = _isPlain ? ReceiveFromSocket() : ReceiveFromTls();
            if (count > 0)
                Take(count);
            else if (count == 0)
                EndOfBytes(EndsInside ? new EndOfStreamException("The peer closed the connection inside a frame.")
                    : null);
            return count >= 0;
        }
        catch (Exception e)
        {
            EndOfBytes(e);
            return true;
        }
    }

    /// <summary>Bytes have come and lie in <see cref="Room"/>. What it throws ends the link.</summary>
    protected abstract void Received(int count);

    /// <summary>Nothing more will come.</summary>
    /// <returns>Whether all that came before has been read, so that the link may end now.</returns>
    protected virtual bool ReceivedAll() => true;

    /// <summary>The link has ended.</summary>
    protected virtual void OnEnded() { }

    /// <summary>Ends the link as receiving ended: called when all that had come before has been read, so that a close
    /// that the peer explained is known by its explanation.</summary>
    protected void EndAsReceived()
    {
        Exception? error = ReceiveError;
        TryEnd(error is null ? LinkEnd.PeerClosed : LinkEnd.Failed, error);
    }

    private void Take(int count)
    {
        // First: a peer that sends nonsense is alive.
        Volatile.Write(ref _lastReceived, Time.GetTimestamp());
        Volatile.Write(ref _bytesReceived, _bytesReceived + count);
        Received(count);
    }

    private void EndOfBytes(Exception? error)
    {
        Volatile.Write(ref _receiveError, error);
        _hasReceivedAll = true;
        if (ReceivedAll())
            EndAsReceived();
    }

    /// <returns>How many bytes came; 0 at the end; less when there are none yet.</returns>
    private int ReceiveFromSocket()
    {
        int count = _socket.Receive(Room.Span, SocketFlags.None, out SocketError error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock => -1,
            _ => throw new IOException("Receiving failed.", new SocketException((int)error)),
        };
    }

    // A stream of TLS is read a record at a time, and waits for whole ones.
    private int ReceiveFromTls()
    {
        if (_tlsRead is null)
        {
            _tlsRead = _wire.ReadAsync(Room).AsTask();
            if (!_tlsRead.IsCompleted)
            {
                _tlsRead.Forget(); // it may not be asked for any more when the stream has ended
                _ = _tlsRead.ContinueWith((_, wake) => ((Action)wake!)(), _wake, CancellationToken.None,
                    TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
        if (!_tlsRead.IsCompleted)
            return -1;
        Task<int> read = _tlsRead;
        _tlsRead = null;
        return read.GetAwaiter().GetResult();
    }
}
