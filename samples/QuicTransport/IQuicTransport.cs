using System.Net;
using System.Net.Quic;
using System.Threading.Channels;
using QuicTransports.Ngtcp2;

namespace QuicTransports;

/// <summary>A connection with the one bidirectional stream that all messages go over.</summary>
internal interface IQuicConnection : IAsyncDisposable
{
    /// <summary>The peer's address.</summary>
    string Peer { get; }

    /// <summary>Reads what has come, one caller at a time; 0 when the peer will send no more.</summary>
    /// <exception cref="QuicLostException">The connection is lost.</exception>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Sends all of it; ends when the peer's side has it. Cancelled, it is still sent.</summary>
    /// <exception cref="QuicLostException">The connection is lost, also because the peer reads nothing.</exception>
    ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Whether the peer gives a sign in time.</summary>
    Task<bool> AnswersAsync(TimeSpan within, CancellationToken cancellationToken);

    /// <summary>Says that nothing more will be sent, and waits until the peer has ended its side, too.</summary>
    Task FinishAsync(CancellationToken cancellationToken);
}

/// <summary>A server's socket.</summary>
internal interface IQuicListener : IAsyncDisposable
{
    /// <summary>Where it listens.</summary>
    IPEndPoint Local { get; }

    /// <summary>Clients that have opened their stream. Ends with the listener.</summary>
    ChannelReader<IQuicConnection> Accepted { get; }
}

/// <summary>An implementation of QUIC.</summary>
/// <param name="Name">For the log.</param>
/// <param name="Listen">Starts a server's socket.</param>
/// <param name="ConnectAsync">Connects a client.</param>
internal sealed record QuicTransport(
    string Name,
    Func<QuicOptions, ValueTask<IQuicListener>> Listen,
    Func<QuicOptions, CancellationToken, Task<IQuicConnection>> ConnectAsync)
{
    private static readonly QuicTransport System =
        new("System.Net.Quic", SystemQuic.ListenAsync, SystemQuic.ConnectAsync);

    private static readonly QuicTransport Ngtcp2 = new("libngtcp2", Ngtcp2Quic.ListenAsync, Ngtcp2Quic.ConnectAsync);

    /// <summary>The one that the setting wants, of those that can run here.</summary>
    /// <param name="choice">The setting.</param>
    /// <param name="missing">What to install, if there is none.</param>
    public static QuicTransport? Find(QuicTransportChoice choice, out string missing)
    {
        missing = choice == QuicTransportChoice.System
            ? "QUIC needs libmsquic for QUIC_TRANSPORT=system (packages.microsoft.com: apt-get install libmsquic)"
            : "QUIC needs libngtcp2 0.12 or libmsquic (Debian 12: apt-get install libngtcp2-crypto-gnutls2)";
        bool isSystemThere = choice != QuicTransportChoice.Ngtcp2 && QuicListener.IsSupported;
        if (isSystemThere)
            return System;
        return choice != QuicTransportChoice.System && Native.IsAvailable ? Ngtcp2 : null;
    }
}

/// <summary>A connection is lost, or could not be made; the text says why.</summary>
internal sealed class QuicLostException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The peer wanted it so: all that it sent is there.</summary>
    public bool IsOrderly { get; init; }

    /// <summary>Trying again is of no use.</summary>
    public bool IsFinal { get; init; }
}

/// <summary>Finds a server's addresses.</summary>
internal static class ServerAddress
{
    // IPv4 first: a server on loopback listens there.
    public static async Task<IPEndPoint> ResolveAsync(QuicOptions settings, CancellationToken cancellationToken)
    {
        try
        {
            var all = await Dns.GetHostAddressesAsync(settings.Host, cancellationToken);
            return new IPEndPoint(all.OrderBy(address => address.AddressFamily).First(), settings.Port);
        }
        catch (Exception error) when (error is global::System.Net.Sockets.SocketException or InvalidOperationException)
        {
            throw new QuicLostException($"{settings.Host} has no address: {error.Message}", error);
        }
    }
}
