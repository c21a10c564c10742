using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>
/// What comes in: taken by the thread that owns the link when it has come, so that receiving neither waits for the pool nor wakes it. The tap gets what the
/// tap wants, and RabbitMQ.Client's reads the rest.
/// </summary>
internal sealed partial class LinkStream : IInbound
{
    /// <summary>RabbitMQ.Client closes a connection on which it reads nothing for two heartbeats, of 1 s at the least.</summary>
    private static readonly TimeSpan PulseGrain = TimeSpan.FromSeconds(0.5);

    private readonly Inlet _inlet = new();
    private readonly ServerFrames _received;
    private readonly bool _isPlain;
    private Task<int>? _tlsRead;
    private Action? _wake;
    private Exception? _receiveError;
    private bool _hasReceivedAll;
    private int _reading;
    private long _lastReceived, _bytesReceived, _lastPulse;

    // Type heartbeat, channel 0, no payload, frame end (AMQP 0-9-1, section 4.2.7).
    private static ReadOnlySpan<byte> Heartbeat => [FrameFormat.Heartbeat, 0, 0, 0, 0, 0, 0, FrameFormat.FrameEnd];

    /// <summary>When bytes last came (<see cref="TimeProvider.GetTimestamp"/>); at first, when the link began.</summary>
    public long LastReceived => Volatile.Read(ref _lastReceived);

    public long BytesReceived => Volatile.Read(ref _bytesReceived);

    public Socket? Awaited => _isPlain && MayReceive ? _socket : null;

    public bool HasEnded => _hasReceivedAll || End != LinkEnd.None;

    private bool MayReceive => !HasEnded && !_inlet.IsFull;

    public void Begin(Action wake)
    {
        _lastPulse = _time.GetTimestamp();
        _inlet.HasRoom = wake;
        Volatile.Write(ref _wake, wake);
    }

    public bool Receive()
    {
        if (!MayReceive) return false;
        try
        {
            int count = _isPlain ? ReceiveFromSocket() : ReceiveFromTls();
            if (count > 0) Take(count);
            else if (count == 0) EndOfBytes(_guard.IsInsideFrame ? new EndOfStreamException("The peer closed the connection inside a frame.") : null);
            return count >= 0;
        }
        catch (Exception e)
        {
            EndOfBytes(e);
            return true;
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _reading, 1) != 0) throw new InvalidOperationException("A link's stream has one reader; this is a second.");
        try
        {
            int count = End == LinkEnd.None ? await _inlet.TakeAsync(buffer, cancellationToken).ConfigureAwait(false) : 0;
            if (count > 0 && End == LinkEnd.None) return count;
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }

        EndAsReceived();
        if (Reason is IOException error && error == Volatile.Read(ref _receiveError)) throw error;
        return End == LinkEnd.PeerClosed ? 0 : throw new IOException($"The link's stream has ended ({End}).", Reason);
    }

    // Called when all that had come before has been read, so that a close that the peer explained is known by its explanation.
    private void EndAsReceived()
    {
        Exception? error = Volatile.Read(ref _receiveError);
        TryEnd(error is null ? LinkEnd.PeerClosed : LinkEnd.Failed, error);
    }

    /// <returns>How many bytes came; 0 at the end; less when there are none yet.</returns>
    private int ReceiveFromSocket()
    {
        int count = _socket.Receive(_received.Room.Span, SocketFlags.None, out SocketError error);
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
            _tlsRead = _wire.ReadAsync(_received.Room).AsTask();
            if (!_tlsRead.IsCompleted)
                _ = _tlsRead.ContinueWith((_, wake) => ((Action)wake!)(), _wake, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        if (!_tlsRead.IsCompleted) return -1;
        Task<int> read = _tlsRead;
        _tlsRead = null;
        return read.GetAwaiter().GetResult();
    }

    private void Take(int count)
    {
        // Before the guard: a peer that sends nonsense is alive.
        long now = _time.GetTimestamp();
        Volatile.Write(ref _lastReceived, now);
        Volatile.Write(ref _bytesReceived, _bytesReceived + count);
        _guard.Check(_received.Room.Span[..count]);
        _received.Received(count);
        Pulse(now);
    }

    private void EndOfBytes(Exception? error)
    {
        Volatile.Write(ref _receiveError, error);
        _hasReceivedAll = true;
        // At once when the reader waits for more: it may take its time to hear of it, from a starved pool.
        if (_inlet.IsDone) EndAsReceived();
        _inlet.Complete();
    }

    // The broker sends no heartbeats while it sends other frames, and RabbitMQ.Client sees few of those.
    private void Pulse(long now)
    {
        if (_time.GetElapsedTime(_lastPulse, now) < PulseGrain) return;
        _lastPulse = now;
        if (!_received.PassesAll) _inlet.Put(Heartbeat);
    }
}
