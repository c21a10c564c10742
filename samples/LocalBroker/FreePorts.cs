using System.Net;
using System.Net.Sockets;

namespace LocalBroker;

/// <summary>Ports that nothing listens on, for TCP or for UDP.</summary>
public static class FreePorts
{
    // Below the range the system takes ports for outgoing connections from (32768 on Linux, 49152 elsewhere). A port
    // inside it could be gone when a killed node comes back; worse, a client that retries such a port on loopback
    // sooner or later connects to itself.
    private const int Lowest = 15_000;
    private const int Highest = 30_000;
    private const int Attempts = 1_000;

    /// <summary>Different free ports on loopback.</summary>
    public static int[] Take(int count)
    {
        var ports = new HashSet<int>();
        for (int attempt = 0; attempt < Attempts && ports.Count < count; attempt++)
        {
            int port = Random.Shared.Next(Lowest, Highest);
            if (IsFree(port)) ports.Add(port);
        }

        return ports.Count == count
            ? [.. ports]
            : throw new PrivateRabbitMqNodeException($"No free port between {Lowest} and {Highest} on loopback.");
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            using var socket = new UdpClient(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
