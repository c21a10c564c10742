using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace SafeAmqp.Testing.Transport;

/// <summary>
/// One socket. Two tasks move octets between it and two pipes; what they mean is decided by the connection, in the
/// loop. The input pipe is bounded and stops the reading; what is written is counted, and the connection stops
/// producing when it is too much.
/// </summary>
internal sealed class Peer : ILoopWork
{
    /// <summary>Above this a peer that does not read gets no more deliveries and no more answers.</summary>
    private const long OutputLimit = 4 * 1024 * 1024;

    private const int ReceiveSize = 64 * 1024;
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(1);

    private readonly Socket _socket;
    private readonly BrokerLoop _loop;
    private readonly Pipe _input;
    private readonly Pipe _output = new(
        new PipeOptions(pauseWriterThreshold: 0, minimumSegmentSize: 64 * 1024, useSynchronizationContext: false));
    private readonly TaskCompletionSource _receiveEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _sink = [];
    private int _readable;
    private long _unsent;
    private long _written;
    private int _congested;
    private bool _dirty;
    private bool _outputEnded;
    private long _cutAfter = long.MaxValue;
    private volatile bool _abort;
    private volatile bool _isBroken;
    private readonly Pace _inputPace;
    private readonly Pace _outputPace;

    public Peer(Socket socket, BrokerLoop loop, int frameMax)
    {
        _socket = socket;
        _loop = loop;
        (_inputPace, _outputPace) = (new Pace(loop.Time), new Pace(loop.Time));
        long pause = Math.Max(512 * 1024, 2L * (frameMax + Frame.EmptySize));
        _input = new Pipe(new PipeOptions(pauseWriterThreshold: pause, resumeWriterThreshold: pause / 2,
            minimumSegmentSize: ReceiveSize, useSynchronizationContext: false));
        RemotePort = ((System.Net.IPEndPoint)socket.RemoteEndPoint!).Port;
    }

    public int RemotePort { get; }

    /// <summary>Called in the loop when there is something to read, or the peer is gone.</summary>
    public Action Readable { get; set; } = static () => { };

    /// <summary>Called in the loop when a peer that had stopped reading has caught up.</summary>
    public Action Writable { get; set; } = static () => { };

    /// <summary>Called in the loop at the first write after a flush.</summary>
    public Action Dirty { get; set; } = static () => { };

    /// <summary>Octets received so far; heartbeats look at whether it moves.</summary>
    public long Received;

    /// <summary>Octets written so far, whatever the socket took of them.</summary>
    public long Written => _written;

    /// <summary>It has stopped reading, and may read on.</summary>
    public bool IsCongested => !_isBroken && Volatile.Read(ref _unsent) > OutputLimit;

    /// <summary>Nothing that is written leaves any more.</summary>
    public bool IsBroken => _isBroken;

    /// <summary>Both tasks have ended and the socket is closed.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    public void Start() => Ended = Task.WhenAll(Task.Run(ReceiveAsync), Task.Run(SendAsync));

    /// <summary>Nothing more is read: the connection has ended for the broker.</summary>
    public void EndInput() => _input.Reader.Complete();

    public bool TryRead(out ReadResult result) => _input.Reader.TryRead(out result);

    public void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        => _input.Reader.AdvanceTo(consumed, examined);

    public void Run()
    {
        Interlocked.Exchange(ref _readable, 0); // before it looks: what comes from here on is announced again
        Readable();
    }

    /// <summary>Room for so many octets; they count as written.</summary>
    public Span<byte> Take(int count)
    {
        MarkDirty();
        _written += count;
        Interlocked.Add(ref _unsent, count);
        if (_outputEnded || _written > _cutAfter)
            return Cut(count);
        Span<byte> room = _output.Writer.GetSpan(count)[..count];
        _output.Writer.Advance(count);
        return room;
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (!_outputEnded && _written + bytes.Length > _cutAfter)
        {
            int kept = (int)Math.Max(0, _cutAfter - _written);
            bytes[..kept].CopyTo(_output.Writer.GetSpan(Math.Max(1, kept)));
            _output.Writer.Advance(kept);
            _written += bytes.Length;
            MarkDirty();
            End();
            return;
        }
        bytes.CopyTo(Take(bytes.Length));
    }

    /// <summary>Whether frames must be written piece by piece because the output will be cut inside one.</summary>
    public bool WillCut => _cutAfter != long.MaxValue;

    /// <summary>Ends the output in the middle of whatever stands at this offset from here.</summary>
    public void CutAfter(long bytes) => _cutAfter = _written + bytes;

    /// <summary>From now on at most so many octets a second leave; 0 is no limit.</summary>
    public void SlowOutputTo(long bytesPerSecond) => _outputPace.Set(bytesPerSecond);

    /// <summary>From now on at most so many octets a second are read; 0 is no limit.</summary>
    public void SlowInputTo(long bytesPerSecond) => _inputPace.Set(bytesPerSecond);

    public void Flush()
    {
        _dirty = false;
        if (_outputEnded)
            return;
        // The pipe never pauses its writer, so this completes at once; the count of unsent octets is the bound.
        ValueTask<FlushResult> flush = _output.Writer.FlushAsync();
        System.Diagnostics.Debug.Assert(flush.IsCompleted, "a pipe without a threshold never waits");
    }

    /// <summary>Closes the socket after everything written so far has left.</summary>
    public void End()
    {
        if (_outputEnded)
            return;
        _outputEnded = true;
        _output.Writer.Complete();
    }

    /// <summary>Closes the socket at once: with FIN, or with RST as a crashed machine's network stack does.</summary>
    public void Abort(bool reset)
    {
        _abort = true;
        _inputPace.End();
        _outputPace.End();
        try
        {
            if (reset)
                _socket.LingerState = new LingerOption(true, 0);
            else
                _socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // The other side was first.
        }
        catch (ObjectDisposedException)
        {
            // The tasks had ended by themselves.
        }
        _socket.Dispose();
        End();
    }

    private void MarkDirty()
    {
        if (_dirty)
            return;
        _dirty = true;
        Dirty();
    }

    private Span<byte> Cut(int count)
    {
        End();
        if (_sink.Length < count)
            _sink = new byte[count];
        return _sink.AsSpan(0, count);
    }

    private void NotifyReadable()
    {
        if (Interlocked.Exchange(ref _readable, 1) == 0)
            _loop.Post(this);
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                Memory<byte> memory = _input.Writer.GetMemory(ReceiveSize / 2);
                int count = await _socket.ReceiveAsync(memory[.._inputPace.Piece(memory.Length)]).ConfigureAwait(false);
                if (count == 0)
                    break;
                await _inputPace.PassedAsync(count).ConfigureAwait(false);
                Interlocked.Add(ref Received, count);
                _input.Writer.Advance(count);
                ValueTask<FlushResult> flush = _input.Writer.FlushAsync();
                NotifyReadable();
                if ((await flush.ConfigureAwait(false)).IsCompleted)
                    await DiscardAsync().ConfigureAwait(false);
            }
        }
        catch (SocketException)
        {
            // Reset by the peer or by us: the same end.
        }
        catch (ObjectDisposedException)
        {
            // Aborted.
        }
        await _input.Writer.CompleteAsync().ConfigureAwait(false);
        _receiveEnded.TrySetResult();
        NotifyReadable();
    }

    /// <summary>
    /// The connection has ended and nothing is read any more; what still arrives is thrown away until the peer closes.
    /// </summary>
    private async Task DiscardAsync()
    {
        byte[] rest = new byte[4096];
        while (await _socket.ReceiveAsync(rest).ConfigureAwait(false) > 0)
        {
        }
    }

    private async Task SendAsync()
    {
        PipeReader reader = _output.Reader;
        try
        {
            while (true)
            {
                ReadResult result = await reader.ReadAsync().ConfigureAwait(false);
                foreach (ReadOnlyMemory<byte> segment in result.Buffer)
                    await SendAllAsync(segment).ConfigureAwait(false);
                long sent = result.Buffer.Length;
                reader.AdvanceTo(result.Buffer.End);
                long left = Interlocked.Add(ref _unsent, -sent);
                if (left + sent > OutputLimit / 2 && left <= OutputLimit / 2
                    && Interlocked.Exchange(ref _congested, 1) == 0)
                    _loop.Post(CaughtUp);
                if (result.IsCompleted)
                    break;
            }
            if (!_abort)
                _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // The receiving task sees the same and reports it.
        }
        catch (ObjectDisposedException)
        {
            // Aborted.
        }
        await reader.CompleteAsync().ConfigureAwait(false);
        _isBroken = true;
        NotifyReadable(); // it may have been congested, and then its end was not looked at
        await DrainAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Closing with octets unread would turn the close into a reset; the peer gets a moment of real time to close its
    /// side.
    /// </summary>
    private async Task DrainAsync()
    {
        if (!_abort)
        {
            try
            {
                await _receiveEnded.Task.WaitAsync(CloseGrace, TimeProvider.System).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // It keeps its side open; its loss.
            }
        }
        _socket.Dispose();
    }

    private void CaughtUp()
    {
        Interlocked.Exchange(ref _congested, 0);
        Writable();
    }

    private async ValueTask SendAllAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int sent = await _socket.SendAsync(bytes[.._outputPace.Piece(bytes.Length)]).ConfigureAwait(false);
            bytes = bytes[sent..];
            await _outputPace.PassedAsync(sent).ConfigureAwait(false);
        }
    }
}
