using System.Globalization;
using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.IntegrationTests.Security;

/// <summary>
/// TLS listeners of the run's node, started while it runs: one as it should be, one with another name, one that has
/// expired, one that asks for a client's certificate.
/// </summary>
public sealed class TlsListeners(TestBroker broker) : IAsyncDisposable
{
    public Authority Authority { get; } = new("safeamqp test root");

    public Authority Stranger { get; } = new("somebody else's root");

    public string Folder { get; } = Directory.CreateTempSubdirectory("safeamqp-tls-").FullName;

    public int Good { get; private set; }

    public int WrongName { get; private set; }

    public int Expired { get; private set; }

    public int Mutual { get; private set; }

    public string RootFile => Path.Combine(Folder, "root.pem");

    /// <summary>
    /// Once for all; not as an IAsyncLifetime, whose failure would fail a test that is to be skipped.
    /// </summary>
    public async Task OpenAsync()
    {
        LocalBroker.PrivateRabbitMqNode node = broker.RabbitMq;
        if (Good != 0)
            return;
        await File.WriteAllTextAsync(RootFile, Authority.Root.ExportCertificatePem());
        var commands = new List<string>();
        Good = Listen(commands, "good", Authority.Issue("broker", "localhost", IPAddress.Loopback), mutual: false);
        // the common name is not a name
        WrongName = Listen(commands, "wrong", Authority.Issue("localhost", "broker.example"), mutual: false);
        Expired = Listen(commands, "expired", Authority.Issue("broker", "localhost", IPAddress.Loopback, expired: true),
            mutual: false);
        Mutual = Listen(commands, "mutual", Authority.Issue("broker", "localhost", IPAddress.Loopback), mutual: true);
        await node.RabbitMqCtlAsync("eval", $"{string.Join(", ", commands)}.");
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        Authority.Dispose();
        Stranger.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>The same broker through a TLS listener, under a host name.</summary>
    public static string Uri(int port, string host = "localhost")
        => $"amqps://guest:guest@{host}:{port.ToString(CultureInfo.InvariantCulture)}/";

    private int Listen(List<string> commands, string name, X509Certificate2 certificate, bool mutual)
    {
        int port = FreePort();
        var (certificatePem, keyPem) = Authority.Pem(certificate);
        certificate.Dispose();
        File.WriteAllText(Path.Combine(Folder, $"{name}.pem"), certificatePem);
        File.WriteAllText(Path.Combine(Folder, $"{name}.key"), keyPem);
        string verify = mutual ? "{verify,verify_peer},{fail_if_no_peer_cert,true}" : "{verify,verify_none}";
        commands.Add(string.Create(CultureInfo.InvariantCulture,
            $"ok = rabbit_networking:start_ssl_listener({{\"127.0.0.1\",{port}}}, "
                + $"[{{cacertfile,\"{RootFile}\"}},{{certfile,\"{Folder}/{name}.pem\"}},"
                + $"{{keyfile,\"{Folder}/{name}.key\"}},{verify},{{versions,['tlsv1.2','tlsv1.3']}}], 2)"));
        return port;
    }

    // Not one that the system may give to another before the node listens on it
    private static int FreePort() => LocalBroker.FreePorts.Take(1)[0];
}
