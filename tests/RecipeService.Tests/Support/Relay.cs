using System.Net;
using System.Net.Sockets;
using LocalBroker;

namespace RecipeService.Tests.Support;

/// <summary>
/// A TCP relay before the broker, so that a test can take the broker away from one client and give it back.
/// </summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly Uri _broker;
    private readonly int _port;
    private readonly Lock _lock = new();
    private readonly HashSet<Socket> _sockets = [];
    private TcpListener? _listener;

    public Relay(Uri broker)
    {
        _broker = broker;
        _port = FreePorts.Take(1)[0]; // free again after a cut: the system takes it for no outgoing connection
        _listener = Listen(_port);
        Uri = new UriBuilder(broker) { Host = "127.0.0.1", Port = _port }.Uri;
    }

    public Uri Uri { get; }

    /// <summary>Ends every connection with a reset and refuses new ones.</summary>
    public void Cut()
    {
        lock (_lock)
        {
            _listener?.Dispose();
            _listener = null;
            foreach (var socket in _sockets)
                Reset(socket);
            _sockets.Clear();
        }
    }

    /// <summary>Takes connections again.</summary>
    public void Restore()
    {
        lock (_lock)
            _listener = Listen(_port);
    }

    public ValueTask DisposeAsync()
    {
        Cut();
        return ValueTask.CompletedTask;
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
            socket.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // Its connection ended by itself.
        }
    }

    private TcpListener Listen(int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        _ = AcceptAsync(listener);
        return listener;
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            for (; ; )
                _ = ServeAsync(await listener.AcceptSocketAsync());
        }
        catch (Exception error) when (error is SocketException or InvalidOperationException)
        {
            // Cut: during a wait, or before the next one.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        var broker = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        try
        {
            await broker.ConnectAsync(_broker.Host, _broker.IsDefaultPort || _broker.Port < 0 ? 5672 : _broker.Port);
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_listener is null, this);
                _sockets.Add(client);
                _sockets.Add(broker);
            }

            await Task.WhenAny(CopyAsync(client, broker), CopyAsync(broker, client));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Cut while connecting.
        }
        finally
        {
            client.Dispose();
            broker.Dispose();
        }
    }

    private static async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is var count and > 0)
                for (int sent = 0; sent < count;)
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Cut, or the other side left.
        }
    }
}
