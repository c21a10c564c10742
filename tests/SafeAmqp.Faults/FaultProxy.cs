using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.Faults;

/// <summary>
/// A TCP proxy between a client and the broker that misbehaves on demand: in each direction it can delay, stop reading
/// (half-open), cut after some bytes, or pass one byte at a time; and it can reset or refuse connections. What is set
/// holds for connections that are open and for later ones alike.
/// </summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Link, bool> _links = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly int _brokerPort;
    private readonly Task _accepting;
    private int _accepted;

    public FaultProxy(int brokerPort)
    {
        _brokerPort = brokerPort;
        _listener.Start(512);
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Uri => $"amqp://guest:guest@127.0.0.1:{Port}/";

    public Flow ToBroker { get; } = new();

    public Flow ToClient { get; } = new();

    /// <summary>Resets each new connection at once.</summary>
    public bool Refuse { get; set; }

    /// <summary>Connections ever accepted, refused ones included.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    public int Open => _links.Count;

    /// <summary>
    /// Stops reading in both directions, as a cable that was pulled out does; connections that come later are not
    /// touched.
    /// </summary>
    /// <returns>How many connections were frozen.</returns>
    public int FreezeOpenConnections()
    {
        int frozen = 0;
        foreach (Link link in _links.Keys)
        {
            link.Frozen = true;
            frozen++;
        }
        return frozen;
    }

    /// <summary>Resets all connections (RST).</summary>
    /// <returns>How many there were.</returns>
    public int Reset() => Reset(_ => true);

    /// <summary>Reads on where it stood: what was written before the freeze arrives late.</summary>
    public void Thaw()
    {
        foreach (Link link in _links.Keys)
            link.Frozen = false;
    }

    /// <summary>Resets the connections that were frozen.</summary>
    /// <returns>How many there were.</returns>
    public int ResetFrozen() => Reset(link => link.Frozen);

    private int Reset(Func<Link, bool> which)
    {
        int reset = 0;
        foreach (Link link in _links.Keys.Where(which))
        {
            if (!_links.TryRemove(link, out _))
                continue;
            link.Reset();
            reset++;
        }
        return reset;
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Stop();
        Reset();
        await _accepting;
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_ended.IsCancellationRequested)
        {
            try
            {
                Socket client = await _listener.AcceptSocketAsync(_ended.Token);
                Interlocked.Increment(ref _accepted);
                _ = ServeAsync(client);
            }
            catch (Exception error)
                when (error is OperationCanceledException or InvalidOperationException or SocketException)
            {
                // The end, or a client that was gone before it was accepted.
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var broker = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var link = new Link(client, broker);
        try
        {
            client.NoDelay = true;
            if (Refuse)
                return;
            await broker.ConnectAsync(IPAddress.Loopback, _brokerPort);
            _links.TryAdd(link, true);
            await Task.WhenAny(CopyAsync(link, client, broker, ToBroker), CopyAsync(link, broker, client, ToClient));
        }
        catch (SocketException)
        {
            // The broker is away: the client sees its connection end.
        }
        finally
        {
            _links.TryRemove(link, out _);
            link.Reset();
        }
    }

    private async Task CopyAsync(Link link, Socket from, Socket to, Flow flow)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (true)
            {
                await StandStillAsync(link, flow);
                // At a low rate little is taken at once, as a slow cable does.
                int most = flow.Rate is > 0 and var rate ? Math.Clamp(rate / 20, 1, buffer.Length) : buffer.Length;
                int count = await from.ReceiveAsync(buffer.AsMemory(0, most), SocketFlags.None, _ended.Token);
                if (count == 0)
                    return;
                await StandStillAsync(link, flow);
                if (flow.Delay > TimeSpan.Zero)
                    await Task.Delay(flow.Delay, _ended.Token);
                for (int sent = 0; sent < count;)
                {
                    int slice = flow.OneByteAtATime ? 1 : count - sent;
                    if (flow.Cut(ref slice))
                    {
                        await to.SendAsync(buffer.AsMemory(sent, slice), SocketFlags.None, _ended.Token);
                        link.Reset();
                        return;
                    }
                    sent += await to.SendAsync(buffer.AsMemory(sent, slice), SocketFlags.None, _ended.Token);
                    await flow.PassedAsync(slice, _ended.Token);
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The connection ended.
        }
    }

    private async Task StandStillAsync(Link link, Flow flow)
    {
        while (link.Frozen || flow.Paused)
            await Task.Delay(5, _ended.Token);
    }

    /// <summary>One direction.</summary>
    public sealed class Flow
    {
        private long _cutAfter = -1;
        private long _passed;

        /// <summary>Bytes that were passed on.</summary>
        public long Passed => Interlocked.Read(ref _passed);

        /// <summary>Whether nothing is read in this direction.</summary>
        public bool Paused { get; set; }

        public TimeSpan Delay { get; set; }

        public bool OneByteAtATime { get; set; }

        /// <summary>
        /// The most that a connection may pass in this direction, in bytes a second; 0 is as much as comes.
        /// </summary>
        public int Rate { get; set; }

        /// <summary>Resets a connection after it passed so many further bytes in this direction; once.</summary>
        public void CutAfter(long bytes) => Interlocked.Exchange(ref _cutAfter, bytes);

        /// <summary>Whether <see cref="CutAfter"/> has not had its effect yet.</summary>
        public bool IsCutDue => Interlocked.Read(ref _cutAfter) >= 0;

        internal async ValueTask PassedAsync(int count, CancellationToken ended)
        {
            Interlocked.Add(ref _passed, count);
            if (Rate is > 0 and var rate)
                await Task.Delay(TimeSpan.FromSeconds((double)count / rate), ended);
        }

        /// <summary>Whether the cut comes within the slice; shortens it to that place.</summary>
        internal bool Cut(ref int slice)
        {
            long left = Interlocked.Read(ref _cutAfter);
            if (left < 0)
                return false;
            if (slice < left)
            {
                Interlocked.Add(ref _cutAfter, -slice);
                return false;
            }
            slice = (int)left;
            Interlocked.Exchange(ref _cutAfter, -1);
            return true;
        }
    }

    private sealed class Link(Socket client, Socket broker)
    {
        internal volatile bool Frozen;

        internal void Reset()
        {
            foreach (Socket socket in (Socket[])[client, broker])
            {
                try
                {
                    socket.LingerState = new LingerOption(true, 0);
                }
                catch (Exception error) when (error is ObjectDisposedException or SocketException)
                {
                    // Ended already.
                }
                socket.Dispose();
            }
        }
    }
}
