using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using LocalBroker;
using SafeAmqp.Testing;

namespace SafeAmqp.IntegrationTests.Security;

// A certificate in place of a password.
public sealed class ExternalTests(TestBroker broker, CertificateBroker certified)
    : FeatureTest(broker), IClassFixture<CertificateBroker>
{
    public override async ValueTask InitializeAsync() => await certified.OpenAsync(Cancelled);

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)] // the broker knows the root alone
    [InlineData(true, true)]
    public async Task A_certificate_in_place_of_a_password_logs_in_its_user(bool inUri, bool hasIssuer)
    {
        using var issuer = new Authority("safeamqp test issuer", certified.Authority);
        using X509Certificate2 certificate = (hasIssuer ? issuer : certified.Authority).Issue("certified");
        string file = Path.Combine(certified.Folder, "certified.pem");
        var (text, key) = Authority.Pem(certificate);
        if (hasIssuer)
            text += "\n" + issuer.Root.ExportCertificatePem();
        await File.WriteAllTextAsync(file, text + "\n" + key, Cancelled);
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = CertificateBroker.Uri(certified.Port)
                + (inUri ? $"?auth_mechanism=external&certfile={Uri.EscapeDataString(file)}" : "");
            options.Tls.TrustedRoots = [certified.Authority.Root];
            if (inUri)
                return;
            options.AuthMechanism = AmqpAuthMechanism.External;
            if (hasIssuer)
                options.Tls.ClientCertificateFile = file;
            else
                options.Tls.ClientCertificates = [certificate];
        });
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = queue, Exclusive = true }), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue("nowhere", Bytes("a")) with { Mandatory = false }, Cancelled);

        // A connection that was refused in another test may not be gone yet
        await UntilAsync(() => certified.Node!.ListConnectionsAsync(Cancelled),
            all => all.Count > 0 && all.All(one => one.User == "certified"));
    }

    [Fact]
    public async Task A_certificate_of_an_unknown_user_is_refused()
    {
        using X509Certificate2 certificate = certified.Authority.Issue("unknown");
        AmqpConnectException error = await RefusedAsync(certified.PortOfUnknown, certificate);

        Assert.Contains("EXTERNAL", error.Message, StringComparison.Ordinal);
        Assert.Contains("ssl_cert_login_from", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("guest", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broker_that_does_not_offer_it_is_told_with_what_it_needs()
    {
        using X509Certificate2 certificate = certified.Authority.Issue("certified");
        AmqpConnectException error = await RefusedAsync(certified.PortWithout, certificate);

        Assert.Contains("does not offer the mechanism EXTERNAL", error.Message, StringComparison.Ordinal);
        Assert.Contains("rabbitmq_auth_mechanism_ssl", error.Message, StringComparison.Ordinal);
    }

    private async Task<AmqpConnectException> RefusedAsync(int port, X509Certificate2 certificate)
    {
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.Uri = CertificateBroker.Uri(port);
            options.AuthMechanism = AmqpAuthMechanism.External;
            options.Tls.TrustedRoots = [certified.Authority.Root];
            options.Tls.ClientCertificates = [certificate];
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.True(error.IsRefused);
        return error;
    }
}

/// <summary>
/// A broker of the run's kind that takes certificates in place of passwords: a RabbitMQ node of its own with the
/// plugin, or embedded brokers behind what ends TLS.
/// </summary>
public sealed class CertificateBroker(TestBroker broker) : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _owned = [];

    public Authority Authority { get; } = new("safeamqp test root");

    public string Folder { get; } = Directory.CreateTempSubdirectory("safeamqp-external-").FullName;

    public ControlledBroker? Node { get; private set; }

    /// <summary>Takes the user <c>certified</c> from a certificate.</summary>
    public int Port { get; private set; }

    /// <summary>The same for a certificate of a user that does not exist.</summary>
    public int PortOfUnknown { get; private set; }

    /// <summary>Takes passwords alone.</summary>
    public int PortWithout { get; private set; }

    public static string Uri(int port) => string.Create(CultureInfo.InvariantCulture, $"amqps://localhost:{port}/");

    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        broker.NeedControl(); // not half-way, which later tests would take for done
        if (Port != 0)
            return;
        if (broker.IsEmbedded)
        {
            Node = await EmbeddedAsync("certified");
            await Node.AddUserAsync("certified", "unused", cancellationToken);
            Port = Before(Node, asks: true);
            PortOfUnknown = Before(await EmbeddedAsync("unknown"), asks: true);
            PortWithout = Before(await EmbeddedAsync(null), asks: false);
        }
        else
        {
            await StartNodeAsync(cancellationToken);
        }
        await Node!.SetPermissionsAsync("certified", ".*", ".*", ".*", cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (IAsyncDisposable item in _owned)
            await item.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
        Authority.Dispose();
    }

    private async Task<ControlledBroker> EmbeddedAsync(string? user)
    {
        var control = new EmbeddedControl(
            await AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions { ExternalUserName = user }));
        _owned.Add(control);
        return control;
    }

    private int Before(ControlledBroker embedded, bool asks)
    {
        var end = new TlsEnd(embedded.Port, Authority.Issue("broker", "localhost", IPAddress.Loopback), asks);
        _owned.Add(end);
        return end.Port;
    }

    private async Task StartNodeAsync(CancellationToken cancellationToken)
    {
        string root = Path.Combine(Folder, "root.pem"), file = Path.Combine(Folder, "broker.pem"),
            keyFile = Path.Combine(Folder, "broker.key");
        using X509Certificate2 certificate = Authority.Issue("broker", "localhost", IPAddress.Loopback);
        var (text, key) = Authority.Pem(certificate);
        await File.WriteAllTextAsync(root, Authority.Root.ExportCertificatePem(), cancellationToken);
        await File.WriteAllTextAsync(file, text, cancellationToken);
        await File.WriteAllTextAsync(keyFile, key, cancellationToken);
        Port = PortOfUnknown = FreePort();
        PrivateRabbitMqNode node = await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions
        {
            Plugins = ["rabbitmq_auth_mechanism_ssl"],
            ConfigurationLines = [string.Create(CultureInfo.InvariantCulture, $"listeners.ssl.1 = 127.0.0.1:{Port}"),
                $"ssl_options.cacertfile = {root}", $"ssl_options.certfile = {file}",
                $"ssl_options.keyfile = {keyFile}", "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = true", "ssl_cert_login_from = common_name",
                "auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = EXTERNAL"],
        }, cancellationToken);
        Node = new RabbitMqControl(node, owned: true);
        _owned.Add(Node);
        await Node.AddUserAsync("certified", "unused", cancellationToken);
        PortWithout = FreePort();
        await broker.RabbitMq.EvaluateAsync(string.Create(CultureInfo.InvariantCulture,
            $"ok = rabbit_networking:start_ssl_listener({{\"127.0.0.1\",{PortWithout}}}, "
                + $"[{{cacertfile,\"{root}\"}},{{certfile,\"{file}\"}},{{keyfile,\"{keyFile}\"}},"
                + $"{{verify,verify_peer}},{{versions,['tlsv1.2','tlsv1.3']}}], 2), []"), cancellationToken);
    }

    // Not one that the system may give to another before the node listens on it
    private static int FreePort() => FreePorts.Take(1)[0];

    /// <summary>Ends TLS before a broker that has none.</summary>
    private sealed class TlsEnd : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _ended = new();
        private readonly X509Certificate2 _certificate;
        private readonly bool _asks;
        private readonly int _broker;
        private readonly Task _accepting;

        public TlsEnd(int broker, X509Certificate2 certificate, bool asks)
        {
            (_broker, _certificate, _asks) = (broker, certificate, asks);
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public async ValueTask DisposeAsync()
        {
            await _ended.CancelAsync();
            await _accepting;
            _listener.Stop();
            _certificate.Dispose();
            _ended.Dispose();
        }

        private async Task AcceptAsync()
        {
            var served = new List<Task>();
            try
            {
                while (true)
                    served.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_ended.Token)));
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(served);
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using TcpClient accepted = client, broker = new();
            try
            {
                await using var tls = new SslStream(accepted.GetStream(), false, (_, certificate, _, _)
                    => certificate is not null || !_asks);
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificate = _certificate,
                    ClientCertificateRequired = _asks,
                }, _ended.Token);
                await broker.ConnectAsync(IPAddress.Loopback, _broker, _ended.Token);
                NetworkStream plain = broker.GetStream();
                Task[] ways = [tls.CopyToAsync(plain, _ended.Token), plain.CopyToAsync(tls, _ended.Token)];
                await Task.WhenAny(ways);
                accepted.Close();
                broker.Close();
                await Task.WhenAll(ways);
            }
            catch (Exception end) when (end is IOException or SocketException or OperationCanceledException
                or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
            {
                // One of both has ended it.
            }
        }
    }
}
