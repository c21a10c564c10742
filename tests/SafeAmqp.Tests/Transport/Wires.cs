// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using System.Net;
using System.Net.Sockets;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Owner;
using SafeAmqp.Transport;
using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Transport;

internal static class Wires
{
    /// <summary>Far beyond what any wait takes; a test that gets there has failed.</summary>
    public static TimeSpan Long { get; } = TimeSpan.FromSeconds(20);

    public static Task Soon(this Task task) => task.WaitAsync(Long);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Long);

    public static Task Soon(this ValueTask task) => task.AsTask().WaitAsync(Long);

    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Long);

    public static async Task<(Socket Ours, Socket Peer)> PairAsync(int? buffers = null)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (buffers is { } size) listener.ReceiveBufferSize = size;
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var ours = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (buffers is { } sendSize) ours.SendBufferSize = sendSize;
        Task<Socket> accepting = listener.AcceptAsync();
        await ours.ConnectAsync(listener.LocalEndPoint!).Soon();
        Socket peer = await accepting.Soon();
        peer.NoDelay = true;
        return (ours, peer);
    }

    /// <summary>The stream over a socket that RabbitMQ.Client is given; no channel is ours.</summary>
    public static ClientStream Stream(Socket socket, Stream? tls, Action<Exception?> ended,
        int maxBufferedBytes = LinkStream.DefaultMaxBufferedBytes, TimeSpan? drainTimeout = null)
    {
        var inbound = new InboundPipe();
        var incoming = new FrameReader(
            FrameFormat.MaxFrameSize, maxBodySize: 16L << 20, new SignalSink(_ => { }, inbound));
        return new ClientStream(
            socket, tls, incoming, inbound, TimeProvider.System, ended, maxBufferedBytes, drainTimeout);
    }

    /// <summary>Receives for a link, as its I/O thread does, until it has ended.</summary>
    public static TStream Receiving<TStream>(this TStream link) where TStream : LinkStream
    {
        new Thread(() =>
        {
            using var mailbox = new Mailbox();
            link.Begin(mailbox.Wake);
            while (!link.HasEnded)
            {
                if (!link.Receive()) mailbox.Wait(Long, spinFirst: false, link.Awaited is { } socket ? [socket] : []);
            }
        })
        { IsBackground = true }.Start();
        return link;
    }

    public static async Task<byte[]> ReadToEndAsync(this Socket socket, int atATime = 65_536)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[atATime];
        try
        {
            for (int count; (count = await socket.ReceiveAsync(buffer).Soon()) > 0;) all.Write(buffer, 0, count);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut by either side: what came is what came.
        }

        return all.ToArray();
    }

    public static async Task<byte[]> ReadExactlyAsync(this Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        for (int at = 0; at < count;)
        {
            int read = await socket.ReceiveAsync(bytes.AsMemory(at)).Soon();
            Assert.NotEqual(0, read);
            at += read;
        }

        return bytes;
    }

    /// <summary>Fills the socket until a write has to wait and returns how many bytes were accepted so far.</summary>
    public static async Task<Task> FillAsync(this ClientStream link)
    {
        byte[] chunk = new byte[256 * 1024];
        while (true)
        {
            Task write = link.SendAsync(chunk).AsTask();
            // The one wait for something not to happen: the socket's buffers are full, or the peer would have to read.
            if (await Task.WhenAny(write, Task.Delay(200)) != write) return write;
            await write;
        }
    }
}

/// <summary>Counts calls of the ended-callback.</summary>
internal sealed class Ended
{
    private readonly TaskCompletionSource<Exception?> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public Task<Exception?> Reason => _first.Task.Soon();

    public void Call(Exception? reason)
    {
        Interlocked.Increment(ref _count);
        _first.TrySetResult(reason);
    }
}

/// <summary>A wire whose sends wait until the test lets them go.</summary>
internal sealed class GatedWire(bool open = false) : Stream
{
    private readonly SemaphoreSlim _gate = new(open ? int.MaxValue / 2 : 0), _begun = new(0);
    private int _sending;

    public List<byte[]> Sends { get; } = [];

    public Exception? Failure { get; set; }

    public bool Overlapped { get; private set; }

    public byte[] All => [.. Sends.SelectMany(s => s)];

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public async Task SendBegunAsync() => Assert.True(await _begun.WaitAsync(Wires.Long));

    public void Release(int sends = 1) => _gate.Release(sends);

    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Overlapped |= Interlocked.Exchange(ref _sending, 1) != 0;
        _begun.Release();
        await _gate.WaitAsync(cancellationToken);
        Volatile.Write(ref _sending, 0);
        if (Failure is not null) throw Failure;
        // Only now, so that a buffer reused too early would be seen.
        Sends.Add(buffer.ToArray());
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _gate.Dispose();
            _begun.Dispose();
        }

        base.Dispose(disposing);
    }
}
