using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>How a link's stream ends: one door, the first reason wins.</summary>
internal abstract partial class LinkStream
{
    private readonly Action<Exception?> _ended;
    private readonly TimeSpan _drainTimeout;
    private Ending? _ending;
    private Task? _disposal;
    private int _socketClosed;

    internal LinkEnd End => Volatile.Read(ref _ending)?.Kind ?? LinkEnd.None;

    /// <summary>Why the link ended; null while it has not, after an orderly end by the peer and after
    /// dispose.</summary>
    internal Exception? Reason => Volatile.Read(ref _ending)?.Reason;

    /// <summary>Ends the link at once: the socket is closed with a reset, pending reads end, waiting writers are
    /// released. Does not wait for anything. Also cuts short a dispose that is still draining.</summary>
    internal void Abandon(Exception reason)
    {
        if (TryEnd(LinkEnd.Abandoned, reason))
            return;
        Writes.Fail();
        CloseSocket(reset: true);
    }

    /// <summary>Sends what is buffered, within the drain time-out, and closes the socket. Never throws.</summary>
    public override async ValueTask DisposeAsync()
    {
        await DisposeOnce().ConfigureAwait(false);
        // Marks the base class as disposed; comes back to the same task.
        await base.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Starts what <see cref="DisposeAsync"/> awaits and returns.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _ = DisposeOnce();
        base.Dispose(disposing);
    }

    private Task DisposeOnce()
    {
        if (Volatile.Read(ref _disposal) is { } begun)
            return begun;
        var disposal = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task? other = Interlocked.CompareExchange(ref _disposal, disposal.Task, null);
        if (other is not null)
            return other;
        _ = DrainAndCloseAsync(disposal);
        return disposal.Task;
    }

    private async Task DrainAndCloseAsync(TaskCompletionSource disposed)
    {
        try
        {
            Writes.Seal();
            TryEnd(LinkEnd.Disposed, null);
            bool drained = await Writes.DrainAsync(_drainTimeout).ConfigureAwait(false);
            Writes.Fail();
            // What the kernel still holds after an unsuccessful drain would reach the broker late, behind newer
            // messages: reset.
            CloseSocket(reset: !drained);
        }
        finally
        {
            disposed.TrySetResult();
        }
    }

    private bool TryEnd(LinkEnd kind, Exception? reason)
    {
        if (Interlocked.CompareExchange(ref _ending, new Ending(kind, reason), null) is not null)
            return false;
        try
        {
            // First: the callback knows of the end before reads and writes notice it.
            _ended(reason);
        }
        finally
        {
            // A disposed stream goes on draining and is closed after that; every other end is at once.
            if (kind != LinkEnd.Disposed)
            {
                Writes.Fail();
                CloseSocket(reset: kind != LinkEnd.PeerClosed);
            }

            OnEnded();
            Volatile.Read(ref _wake)?.Invoke(); // the thread that receives waits for this no more
        }

        return true;
    }

    private void CloseSocket(bool reset)
    {
        if (Interlocked.Exchange(ref _socketClosed, 1) != 0)
            return;
        try
        {
            // A reset drops what the kernel has not sent: a message given up on should not arrive behind newer ones.
            if (reset)
                _socket.LingerState = new LingerOption(true, 0);
            else
                _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The connection is gone already.
        }

        _socket.Dispose();
        // After the socket, so that no close-notify can block on it.
        _wire.Dispose();
    }

    private sealed record Ending(LinkEnd Kind, Exception? Reason);
}

/// <summary>How a link's stream came to its end. The first end wins; later ones change nothing.</summary>
internal enum LinkEnd
{
    /// <summary>The stream is in use.</summary>
    None,

    /// <summary>The peer closed its side in an orderly way. There is no reason to report.</summary>
    PeerClosed,

    /// <summary>We disposed of the stream. There is no reason to report.</summary>
    Disposed,

    /// <summary>We gave the link up, with a reason: a silent peer, a deadline, a failed connect.</summary>
    Abandoned,

    /// <summary>The socket or TLS failed, or the frame reader refused what the peer sent.</summary>
    Failed,
}
