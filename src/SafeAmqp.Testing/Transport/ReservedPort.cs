using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.Testing.Transport;

/// <summary>
/// A port that is held while nobody listens on it: connecting is refused, as by a machine without a broker. Without it a client that
/// tries again and again would sooner or later be given the very port as its own, connect to itself, and keep the broker from coming back.
/// </summary>
internal sealed class ReservedPort : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(10);

    public ReservedPort(int port) => Socket = Bind(port);

    public Socket Socket { get; }

    /// <summary>Takes over a port that has just been given up. In the moment between, somebody may have been quicker, and is waited for; null when that did not help.</summary>
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

    public void Dispose() => Socket.Dispose();

    private static Socket Bind(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
