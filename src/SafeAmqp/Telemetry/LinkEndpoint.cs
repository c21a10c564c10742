using System.Net;

namespace SafeAmqp.Telemetry;

/// <summary>Where a link is or was last connected to, as the values of attributes.</summary>
internal sealed class LinkEndpoint(string address, int port, IPAddress? peer = null, int peerPort = 0)
{
    internal string Address => address;

    internal object Port { get; } = port;

    /// <summary>The address that the host's name led to; null before the first connection.</summary>
    internal string? PeerAddress { get; } = peer?.ToString();

    internal object PeerPort { get; } = peerPort;
}
