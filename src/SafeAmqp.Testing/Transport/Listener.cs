using System.Net;
using System.Net.Sockets;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;

namespace SafeAmqp.Testing.Transport;

/// <summary>The listening sockets: loopback only, never reachable from another machine.</summary>
internal sealed class Listener
{
    private const int Backlog = 4096;

    private readonly IReadOnlyList<Socket> _sockets;
    private readonly BrokerState _broker;
    private Task _accepting = Task.CompletedTask;

    public Listener(ReservedPort port, BrokerState broker)
    {
        _broker = broker;
        _sockets = port.Sockets;
        foreach (Socket socket in _sockets)
            socket.Listen(Backlog);
        Port = ((IPEndPoint)_sockets[0].LocalEndPoint!).Port;
    }

    public int Port { get; }

    public void Start() => _accepting = Task.WhenAll(_sockets.Select(socket => Task.Run(() => AcceptAsync(socket))));

    /// <summary>
    /// No connection is accepted any more; the port is kept, unless another process was quicker, which the next start
    /// reports.
    /// </summary>
    public async Task<ReservedPort?> EndAsync()
    {
        foreach (Socket socket in _sockets)
            socket.Dispose();
        await _accepting.ConfigureAwait(false);
        return await ReservedPort.TryAgainAsync(Port).ConfigureAwait(false);
    }

    private async Task AcceptAsync(Socket listening)
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await listening.AcceptAsync().ConfigureAwait(false);
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException error)
                when (error.SocketErrorCode is SocketError.OperationAborted or SocketError.Interrupted)
            {
                return;
            }
            catch (SocketException)
            {
                // A client that was gone before it was accepted.
                continue;
            }
            Take(socket);
        }
    }

    private void Take(Socket socket)
    {
        try
        {
            socket.NoDelay = true;
            var peer = new Peer(socket, _broker.Loop, _broker.Options.FrameMax);
            _broker.Loop.Post(() => Connected(peer));
        }
        catch (SocketException)
        {
            socket.Dispose();
        }
    }

    private void Connected(Peer peer)
    {
        var connection = new Connection(peer, _broker);
        if (!_broker.IsRunning)
        {
            connection.Drop(reset: true);
            return;
        }
        _broker.Connections.Add(connection);
        peer.Start();
        _broker.Faults.Meets(new FaultScene(connection, null, FaultScene.Connecting));
    }
}
