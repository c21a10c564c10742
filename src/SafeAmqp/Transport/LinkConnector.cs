using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.Transport;

/// <summary>Opens a link: the socket, TLS when wanted, the stream. All of it within one deadline.</summary>
internal static class LinkConnector
{
    /// <remarks>
    /// The time-out is for the whole: a server that accepts and then keeps silent would else hold RabbitMQ.Client for minutes.
    /// The callback is that of <see cref="LinkStream"/>, and is not called when this method throws.
    /// </remarks>
    /// <exception cref="TimeoutException">The deadline was over; the socket is closed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> fired; the socket is closed.</exception>
    /// <exception cref="SocketException">The address refused or could not be reached.</exception>
    /// <exception cref="TlsRefusedException">The certificate was refused, or the peer does not speak TLS.</exception>
    /// <exception cref="IOException">The connection was lost during the TLS handshake.</exception>
    public static async Task<LinkStream> ConnectAsync(
        IPAddress address,
        int port,
        TlsSettings tls,
        LinkStreamOptions options,
        TimeSpan timeout,
        FrameTap tap,
        Action<Exception?> ended,
        CancellationToken cancellationToken)
    {
        tls.Validate();
        options.Validate();

        using var deadline = new CancellationTokenSource(timeout, options.TimeProvider);
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
            return new LinkStream(socket, wire, options, tap, ended);
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

    private static async Task<Stream?> OpenAsync(Socket socket, IPAddress address, int port, TlsSettings tls, CancellationToken either)
    {
        // Closing the socket ends whatever the token does not reach.
        CancellationTokenRegistration closing = either.UnsafeRegister(static s => ((Socket)s!).Dispose(), socket);
        await using (closing.ConfigureAwait(false))
        {
            // An asynchronous connect would make the framework poll the socket from a thread of its own from then on.
            await Task.Run(() => socket.Connect(address, port), CancellationToken.None).ConfigureAwait(false);
            if (!tls.Enabled) return null;

            var plain = new NetworkStream(socket, ownsSocket: false);
            return await new TlsHandshake(tls).AuthenticateAsync(plain, either).ConfigureAwait(false);
        }
    }
}
