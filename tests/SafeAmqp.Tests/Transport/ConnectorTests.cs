// Every wait here is bounded by itself, by the deadline under test or by the server that the test owns.
#pragma warning disable xUnit1051
using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using SafeAmqp.Broker;
using SafeAmqp.Transport;

namespace SafeAmqp.Tests.Transport;

/// <summary>A server of the test's own to connect to, plain or with TLS.</summary>
public abstract class ConnectorTests : IDisposable
{
    private readonly TestCertificates _certificates = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentBag<IDisposable> _opened = [];
    private readonly Ended _ended = new();

    protected ConnectorTests() => _listener.Start();

    private protected TestCertificates Certificates => _certificates;

    private protected TcpListener Listener => _listener;

    private protected Ended Ended => _ended;

    private protected int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        foreach (IDisposable opened in _opened) opened.Dispose();
        _listener.Dispose();
        _certificates.Dispose();
    }

    private protected void Own(IDisposable opened) => _opened.Add(opened);

    private protected TlsSettings Tls()
        => new() { ServerName = "localhost", TrustedRoots = _certificates.Roots };

    private protected async Task<ClientStream> ConnectAsync(
        TlsSettings? tls, TimeSpan? timeout = null, int? port = null, IPAddress[]? addresses = null,
        CancellationToken cancellationToken = default)
    {
        var (link, _) = await LinkConnector.ConnectAsync(
            addresses ?? [IPAddress.Loopback], port ?? Port, tls, timeout ?? Wires.Long, TimeProvider.System,
            (socket, stream) => Wires.Stream(socket, stream, _ended.Call), cancellationToken);
        // Kept, as a link that nothing refers to is collected and its socket closed under the server.
        Own(link);
        return link.Receiving();
    }

    private protected async Task<TlsRefusedException> RefusedAsync(TlsSettings tls)
    {
        TlsRefusedException refused = await Assert.ThrowsAsync<TlsRefusedException>(() => ConnectAsync(tls));
        Assert.Equal(0, _ended.Count);
        return refused;
    }

    private protected Task<SslStream> ServeAsync(X509Certificate2 certificate, bool askClient = false)
    {
        Task<SslStream> served = AuthenticateAsync(certificate, askClient);
        served.Forget(); // a test that is about the client's refusal looks at the client alone
        return served;
    }

    private async Task<SslStream> AuthenticateAsync(X509Certificate2 certificate, bool askClient)
    {
        Socket socket = await _listener.AcceptSocketAsync().Soon();
        var ssl = new SslStream(new NetworkStream(socket, ownsSocket: true));
        _opened.Add(ssl);
        await ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = certificate,
            ClientCertificateRequired = askClient,
            // The test's server only wants to see it.
#pragma warning disable CA5359
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
        }).Soon();
        return ssl;
    }

    private protected static async Task<byte[]> ReadToEndAsync(SslStream stream)
    {
        var all = new MemoryStream();
        byte[] buffer = new byte[30_000];
        try
        {
            for (int count; (count = await stream.ReadAsync(buffer).Soon()) > 0;) all.Write(buffer, 0, count);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Cut; the last is what an SslStream says that is disposed of during a read.
        }

        return all.ToArray();
    }
}
