using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.Owner;

/// <summary>
/// Wakes a thread that waits for sockets, with one datagram over loopback. The two sockets are connected to each other,
/// so no other process's datagrams arrive. A ring must be taken before the next one.
/// </summary>
internal sealed class Doorbell : IDisposable
{
    private readonly Socket _bell = NewSocket(), _button = NewSocket();
    private readonly List<Socket> _awaited = [];
    private readonly byte[] _taken = new byte[1];

    internal Doorbell()
    {
        _bell.Connect(_button.LocalEndPoint!);
        _button.Connect(_bell.LocalEndPoint!);
    }

    /// <summary>The UDP port on loopback where it rings.</summary>
    internal int Port => ((IPEndPoint)_bell.LocalEndPoint!).Port;

    /// <summary>Ends the current wait, or the next one. Any thread may call it.</summary>
    internal void Ring() => _button.Send([1]);

    /// <summary>Waits for a ring, for data on one of the sockets, or for the time-out.</summary>
    /// <param name="sockets">Other sockets. One that is closed meanwhile ends the wait.</param>
    /// <param name="atMost">The time, in whole milliseconds.</param>
    /// <returns>Whether it was rung.</returns>
    internal bool Wait(IReadOnlyCollection<Socket> sockets, TimeSpan atMost)
    {
        _awaited.Clear();
        _awaited.Add(_bell);
        _awaited.AddRange(sockets);
        try
        {
            Socket.Select(_awaited, null, null, atMost);
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
            return false; // the caller will see which of them it was
        }
        if (_awaited.Count == 0 || _awaited[0] != _bell)
            return false;
        Take();
        return true;
    }

    /// <summary>Takes a ring that has come or is on its way.</summary>
    internal void Take() => _bell.Receive(_taken);

    public void Dispose()
    {
        _bell.Dispose();
        _button.Dispose();
    }

    private static Socket NewSocket()
    {
        IPAddress loopback = Socket.OSSupportsIPv4 ? IPAddress.Loopback : IPAddress.IPv6Loopback;
        var socket = new Socket(loopback.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(loopback, 0));
        return socket;
    }
}
