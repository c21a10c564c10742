using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.Testing.Transport;

/// <summary>
/// A port that is held while nothing listens on it: connecting is refused, as by a machine without a broker. Without it
/// a client that tries again and again would sooner or later be given the very port as its own, connect to itself, and
/// keep the broker from coming back.
/// </summary>
internal sealed class ReservedPort : IDisposable
{
    private const int Attempts = 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(10);

    public ReservedPort(int port) => Sockets = Bind(port);

    /// <summary>One for 127.0.0.1 and, where there is IPv6, one for ::1: "localhost" may mean either.</summary>
    public IReadOnlyList<Socket> Sockets { get; }

    /// <summary>
    /// Takes over a port that has just been given up. In the moment between, somebody may have been quicker, and is
    /// waited for; null when that did not help.
    /// </summary>
    public static async Task<ReservedPort?> TryAgainAsync(int port)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return new ReservedPort(port);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                if (TimeProvider.System.GetElapsedTime(start) > Patience)
                    return null;
                await Task.Delay(LookEvery, TimeProvider.System).ConfigureAwait(false);
            }
        }
    }

    public void Dispose()
    {
        foreach (Socket socket in Sockets)
            socket.Dispose();
    }

    private static Socket[] Bind(int port)
    {
        for (int i = 1; ; i++)
        {
            Socket socket = Bind(IPAddress.Loopback, port);
            int bound = ((IPEndPoint)socket.LocalEndPoint!).Port;
            try
            {
                return Socket.OSSupportsIPv6 ? [socket, Bind(IPAddress.IPv6Loopback, bound)] : [socket];
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressNotAvailable)
            {
                // IPv6 is there, but has no loopback address.
                return [socket];
            }
            catch (SocketException error)
                when (port == 0 && i < Attempts && error.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Free for one, taken for the other: the next free one may be so for both.
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }

    private static Socket Bind(IPAddress address, int port)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
