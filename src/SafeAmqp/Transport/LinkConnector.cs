using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>Opens a link: the socket, TLS when wanted, the stream. All of it within one deadline.</summary>
internal static class LinkConnector
{
    /// <summary>Connects to the first of a host's addresses that answers. Each has an equal share of the time that is
    /// left, so that one whose packets are lost on the way does not take the time of the next.</summary>
    /// <param name="addresses">Where to, in the order in which they are tried.</param>
    /// <param name="port">The port.</param>
    /// <param name="tls">How TLS is done; null when it is not.</param>
    /// <param name="timeout">The time for the whole: a server that accepts and then keeps silent would otherwise hold
    /// RabbitMQ.Client for minutes.</param>
    /// <param name="time">The clock.</param>
    /// <param name="make">Makes the stream from the socket and, if there is one, the TLS stream over it.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="TimeoutException">The deadline was over; the socket is closed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled; the socket
    /// is closed.</exception>
    /// <exception cref="SocketException">The last address refused or could not be reached.</exception>
    /// <exception cref="TlsRefusedException">A certificate was refused, or a peer does not speak TLS.</exception>
    /// <exception cref="IOException">The connection was lost during the TLS handshake.</exception>
    /// <returns>The link, and the address that it leads to.</returns>
    internal static async Task<(TStream, IPAddress)> ConnectAsync<TStream>(IReadOnlyList<IPAddress> addresses, int port,
        TlsSettings? tls, TimeSpan timeout, TimeProvider time, Func<Socket, Stream?, TStream> make,
        CancellationToken cancellationToken) where TStream : LinkStream
    {
        tls?.Validate();
        if (addresses.Count == 0) // a name may have none that this machine can use
            throw new SocketException((int)SocketError.NoData);
        long begun = time.GetTimestamp();
        for (int i = 0; ; i++)
        {
            TimeSpan left = timeout - time.GetElapsedTime(begun);
            TimeSpan share = left > TimeSpan.Zero ? left / (addresses.Count - i) : TimeSpan.Zero;
            try
            {
                return (await ConnectAsync(addresses[i], port, tls, share, time, make, cancellationToken)
                    .ConfigureAwait(false), addresses[i]);
            }
            catch (Exception error) when (i < addresses.Count - 1
                && error is SocketException or TimeoutException or IOException)
            {
                // The next may answer: another node, or the other version of IP. A certificate that is refused is told.
            }
        }
    }

    private static async Task<TStream> ConnectAsync<TStream>(IPAddress address, int port, TlsSettings? tls,
        TimeSpan timeout, TimeProvider time, Func<Socket, Stream?, TStream> make, CancellationToken cancellationToken)
        where TStream : LinkStream
    {
        using var deadline = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // Gathering is done here; Nagle's algorithm would add up to 40 ms to a lone message.
            socket.NoDelay = true;
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            Stream? wire = await OpenAsync(socket, address, port, tls, either.Token).ConfigureAwait(false);
            // Once more, as from here on nothing closes the socket at the deadline.
            either.Token.ThrowIfCancellationRequested();
            return make(socket, wire);
        }
        catch (Exception e)
        {
            socket.Dispose();
            // Closing the socket makes the step under way fail in its own way: what counts is why it was closed.
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested)
                throw new TimeoutException($"No connection to port {port} within {timeout.TotalSeconds:0.###} s.", e);
            throw;
        }
    }

    private static async Task<Stream?> OpenAsync(
        Socket socket, IPAddress address, int port, TlsSettings? tls, CancellationToken either)
    {
        // Closing the socket ends whatever the token does not reach.
        CancellationTokenRegistration closing = either.UnsafeRegister(static s => ((Socket)s!).Dispose(), socket);
        await using (closing.ConfigureAwait(false))
        {
            // An asynchronous connect would make the framework poll the socket from a thread of its own from then on.
            await Task.Run(() => socket.Connect(address, port), CancellationToken.None).ConfigureAwait(false);
            if (tls is null)
                return null;
            var plain = new NetworkStream(socket, ownsSocket: false);
            return await new TlsHandshake(tls).AuthenticateAsync(plain, either).ConfigureAwait(false);
        }
    }
}
