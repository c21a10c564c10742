using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace FederatedLearning.Protocols.Tests.Support;

/// <summary>
/// A way through which TCP connections go on to a server: counts connections and bytes, cuts, and leads elsewhere.
/// </summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentDictionary<TcpClient, bool> _open = new();
    private readonly Task _accepting;
    private int _connections, _refused;
    private long _up, _down;
    private volatile int _target;
    private volatile bool _isShut;

    public Relay(int target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>How many connections there were.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>How many were turned away while it was shut.</summary>
    public int Refused => Volatile.Read(ref _refused);

    /// <summary>Bytes to the server.</summary>
    public long Up => Volatile.Read(ref _up);

    /// <summary>Bytes from the server.</summary>
    public long Down => Volatile.Read(ref _down);

    /// <summary>Ends all connections with a reset, as a machine that fails.</summary>
    public void Cut()
    {
        foreach (var client in _open.Keys) Reset(client);
    }

    /// <summary>Lets no connection through any more.</summary>
    public void Shut()
    {
        _isShut = true;
        Cut();
    }

    /// <summary>Leads to a server, another perhaps.</summary>
    public void Open(int target)
    {
        _target = target;
        _isShut = false;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        Shut();
        await _accepting;
        _end.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptTcpClientAsync(_end.Token);
                _ = ServeAsync(client);
            }
        }
        catch (Exception error)
            when (error is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Disposed: during a wait, or before the next one.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var server = new TcpClient { NoDelay = true };
        client.NoDelay = true;
        _open[client] = true;
        _open[server] = true;
        try
        {
            if (_isShut)
            {
                Interlocked.Increment(ref _refused);
                Reset(client);
                return;
            }
            await server.ConnectAsync(IPAddress.Loopback, _target, _end.Token);
            Interlocked.Increment(ref _connections);
            await Task.WhenAny(
                CopyAsync(client, server, bytes => Interlocked.Add(ref _up, bytes)),
                CopyAsync(server, client, bytes => Interlocked.Add(ref _down, bytes)));
        }
        catch (Exception error)
            when (error is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // One side is gone.
        }
        finally
        {
            _open.TryRemove(client, out _);
            _open.TryRemove(server, out _);
            client.Dispose();
        }
    }

    private async Task CopyAsync(TcpClient from, TcpClient to, Action<long> count)
    {
        byte[] buffer = new byte[1 << 16];
        try
        {
            while (await from.GetStream().ReadAsync(buffer, _end.Token) is > 0 and var read)
            {
                count(read);
                await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _end.Token);
            }
        }
        catch (Exception error) when (error is IOException or SocketException or ObjectDisposedException
            or OperationCanceledException or InvalidOperationException)
        {
            // One side is gone.
        }
    }

    private static void Reset(TcpClient client)
    {
        if (client.Client is not { } socket) return; // closed meanwhile
        try
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Close();
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // It is closed already.
        }
    }
}
