using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// A TCP proxy between a client and the broker that misbehaves on demand: in each direction it can delay, stop reading (half-open), cut after some bytes,
/// or pass one byte at a time; and it can reset or refuse connections. What is set holds for connections that are open and for later ones alike.
/// </summary>
internal sealed class FaultProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Link, bool> _links = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly int _brokerPort;
    private readonly Task _accepting;
    private int _accepted;

    internal FaultProxy(int brokerPort)
    {
        _brokerPort = brokerPort;
        _listener.Start(512);
        _accepting = AcceptAsync();
    }

    internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    internal string Uri => $"amqp://guest:guest@127.0.0.1:{Port}/";

    internal Flow ToBroker { get; } = new();

    internal Flow ToClient { get; } = new();

    /// <summary>Resets each new connection at once.</summary>
    internal bool Refuse { get; set; }

    /// <summary>Connections ever accepted, refused ones included.</summary>
    internal int Accepted => Volatile.Read(ref _accepted);

    internal int Open => _links.Count;

    /// <summary>Stops reading in both directions, as a cable that was pulled out does; connections that come later are not touched.</summary>
    /// <returns>How many connections were frozen.</returns>
    internal int FreezeOpenConnections()
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
    internal int Reset()
    {
        int reset = 0;
        foreach (Link link in _links.Keys)
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
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptSocketAsync(_ended.Token);
                Interlocked.Increment(ref _accepted);
                _ = ServeAsync(client);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException)
        {
            // The end.
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
                int count = await from.ReceiveAsync(buffer, SocketFlags.None, _ended.Token);
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
                    Interlocked.Add(ref flow.Passed, slice);
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
    internal sealed class Flow
    {
        private long _cutAfter = -1;

        /// <summary>Bytes that were passed on.</summary>
        internal long Passed;

        /// <summary>Whether nothing is read in this direction.</summary>
        internal bool Paused { get; set; }

        internal TimeSpan Delay { get; set; }

        internal bool OneByteAtATime { get; set; }

        /// <summary>Resets a connection after it passed so many further bytes in this direction; once.</summary>
        internal void CutAfter(long bytes) => Interlocked.Exchange(ref _cutAfter, bytes);

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
