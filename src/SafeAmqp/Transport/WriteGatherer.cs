using System.Buffers;

namespace SafeAmqp.Transport;

/// <summary>Sends what is written, gathered: what comes while a send is under way goes out in one call after it. A
/// system call costs more than all the rest of a publish.</summary>
/// <remarks>
/// Invariants. All state is guarded by <c>_gate</c>; no other code runs under it, as the writers' continuations are
/// asynchronous.
/// <list type="number">
/// <item>One send at a time: the caller that sets <c>_sending</c> owns the wire until it clears the flag. SslStream
/// allows no more either.</item>
/// <item>Bytes reach the wire in the order in which their writes entered the gate: first the send under way, then
/// <c>_next</c>, then <c>_waiting</c> in turn. So a write joins <c>_next</c> only while none waits.</item>
/// <item>When nothing is being sent, <c>_next</c> is empty and no write waits.</item>
/// <item>Bytes accepted and not yet sent are at most the bound, but for writes that are sent from their writer's
/// memory: one that could never fit, and one that finds the wire idle and lends its memory.</item>
/// <item>The buffer, or the writer's memory, that a send reads from is not reused before that send has returned.</item>
/// <item>After a failure every write succeeds and is dropped, and none waits, but for the writer whose memory the send
/// under way reads: it is released when the send returns, which closing the socket brings about.</item>
/// </list>
/// The callback is called at most once, when a send has failed, after all writers have been released.
/// </remarks>
internal sealed class WriteGatherer(Stream wire, int maxBuffered, TimeProvider time, Action<Exception> failed)
    : IThreadPoolWorkItem
{
    /// <summary>Above this, copying costs more than waiting for the send.</summary>
    public const int LargestCopied = 64 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<(ReadOnlyMemory<byte> Bytes, TaskCompletionSource Done)> _waiting = new();

    private GatherBuffer _next = new(), _inFlight = new();
    private TaskCompletionSource? _largeInFlight;
    private ReadOnlyMemory<byte> _lent; // sent next, or being sent
    private bool _sending, _sealed, _dropping;
    private TaskCompletionSource<bool>? _drained;
    private int _bufferedBytes;
    private long _lastSent = time.GetTimestamp(), _bytesSent, _sends;

    /// <summary>When the last send returned (<see cref="TimeProvider.GetTimestamp"/>); at first, when the link
    /// began.</summary>
    public long LastSent => Volatile.Read(ref _lastSent);

    public long BytesSent => Volatile.Read(ref _bytesSent);
    public long Sends => Volatile.Read(ref _sends);

    /// <summary>Bytes accepted and not yet sent.</summary>
    public int BufferedBytes => Volatile.Read(ref _bufferedBytes);

    /// <summary>Takes bytes without copying them if the wire is idle. If it is not, they are taken as
    /// <see cref="Enter"/> does.</summary>
    /// <returns>Whether <see cref="SendAsync"/> has to be called; its task completes when the memory may be used
    /// again.</returns>
    public bool TryLend(ReadOnlyMemory<byte> bytes)
    {
        lock (_gate)
        {
            if (_sending || _dropping || _sealed || bytes.IsEmpty)
                return false;
            _lent = bytes;
            _bufferedBytes += bytes.Length;
            return _sending = true;
        }
    }

    /// <summary>Takes bytes in turn, without sending them: for callers that hold a lock.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="send">Whether the caller has to call <see cref="SendAsync"/>.</param>
    /// <returns>Never fails. Completes at once when the bytes were copied or dropped, otherwise when there was room for
    /// them or they were sent.</returns>
    public ValueTask Enter(ReadOnlyMemory<byte> bytes, out bool send)
    {
        ValueTask done = default;
        send = false;
        lock (_gate)
        {
            if (_dropping || _sealed || bytes.IsEmpty)
                return default;

            if (_waiting.Count == 0 && Fits(bytes.Length))
            {
                Copy(bytes.Span);
            }
            else
            {
                var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting.Enqueue((bytes, sent));
                done = new ValueTask(sent.Task);
            }

            if (!_sending)
                send = _sending = true;
            return done;
        }
    }

    /// <summary>From now on writes are dropped; what was accepted before is still sent.</summary>
    public void Seal()
    {
        lock (_gate)
            _sealed = true;
    }

    /// <summary>Drops what is not under way and releases the writers that wait for it.</summary>
    public void Fail()
    {
        lock (_gate)
        {
            _dropping = true;
            _next.Clear();
            _bufferedBytes = 0;
            while (_waiting.TryDequeue(out var write))
                write.Done.TrySetResult();
            _drained?.TrySetResult(false);
        }
    }

    /// <summary>Completes when all accepted bytes have been sent (true) or the time was over or a send failed before
    /// (false).</summary>
    public async Task<bool> DrainAsync(TimeSpan timeout)
    {
        Task<bool> drained;
        lock (_gate)
        {
            if (_dropping)
                return false;
            if (!_sending)
                return true;
            _drained ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            drained = _drained.Task;
        }

        try
        {
            return await drained.WaitAsync(timeout, time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    void IThreadPoolWorkItem.Execute() => _ = SendAsync(onWritersThread: false);

    /// <summary>Sends what has been taken, on this thread as far as the socket takes it at once.</summary>
    /// <param name="onWritersThread">Whether this is a writer's thread, so that the rest is left to the pool.</param>
    /// <returns>A task that completes when the first send has. It never fails.</returns>
    public async Task SendAsync(bool onWritersThread = true)
    {
        while (TakeBatch(out ReadOnlyMemory<byte> batch))
        {
            try
            {
                await wire.WriteAsync(batch, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                Fail();
                lock (_gate)
                {
                    EndSend();
                    BecomeIdle();
                }
                failed(e);
                return;
            }

            if (!Sent(batch.Length))
                return;

            // One send is the writer's own; the rest is other writers', and they may keep coming.
            if (onWritersThread)
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return;
            }
        }
    }

    private bool TakeBatch(out ReadOnlyMemory<byte> batch)
    {
        lock (_gate)
        {
            if (!_lent.IsEmpty && !_dropping)
            {
                batch = _lent;
                return true;
            }
            if (_next.Count > 0)
            {
                (_next, _inFlight) = (_inFlight, _next);
                batch = _inFlight.Bytes;
                return true;
            }

            if (_waiting.TryDequeue(out var large))
            {
                (batch, _largeInFlight) = large;
                return true;
            }

            BecomeIdle();
            batch = default;
            return false;
        }
    }

    /// <returns>Whether there is more to send; if not, the wire has been given back.</returns>
    private bool Sent(int count)
    {
        lock (_gate)
        {
            _bytesSent += count;
            _sends++;
            _lastSent = time.GetTimestamp();
            EndSend();
            while (_waiting.TryPeek(out var write) && Fits(write.Bytes.Length))
            {
                Copy(write.Bytes.Span);
                _waiting.Dequeue().Done.TrySetResult();
            }

            if (_next.Count > 0 || _waiting.Count > 0)
                return true;
            BecomeIdle();
            return false;
        }
    }

    private void EndSend()
    {
        if (!_dropping)
            _bufferedBytes -= _inFlight.Count + _lent.Length;
        _inFlight.Clear();
        _lent = default;
        _largeInFlight?.TrySetResult();
        _largeInFlight = null;
    }

    private void BecomeIdle()
    {
        _sending = false;
        _lent = default;
        _next.Shrink();
        _inFlight.Shrink();
        _drained?.TrySetResult(!_dropping);
        _drained = null;
    }

    private bool Fits(int count) => count <= LargestCopied && _bufferedBytes + count <= maxBuffered;

    private void Copy(ReadOnlySpan<byte> bytes)
    {
        _next.Append(bytes);
        _bufferedBytes += bytes.Length;
    }
}

/// <summary>One half of the gatherer's double buffer. Its array comes from the pool and goes back when it is large and
/// empty.</summary>
internal sealed class GatherBuffer
{
    // An idle link keeps no more than this twice: otherwise 10,000 links would hold 20 GB of 1 MiB buffers.
    private const int KeptBytes = 16 * 1024;

    private byte[] _array = [];

    public int Count { get; private set; }
    public ReadOnlyMemory<byte> Bytes => _array.AsMemory(0, Count);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        int needed = Count + bytes.Length;
        if (needed > _array.Length)
            Grow(needed);
        bytes.CopyTo(_array.AsSpan(Count));
        Count = needed;
    }

    public void Clear() => Count = 0;

    public void Shrink()
    {
        if (_array.Length <= KeptBytes)
            return;
        ArrayPool<byte>.Shared.Return(_array);
        _array = [];
    }

    private void Grow(int needed)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, KeptBytes));
        Bytes.Span.CopyTo(larger);
        if (_array.Length > 0)
            ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}
