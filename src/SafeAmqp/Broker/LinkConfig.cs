using System.Security.Cryptography.X509Certificates;
using SafeAmqp.Transport;

namespace SafeAmqp.Broker;

/// <summary>How a link connects.</summary>
internal sealed record LinkConfig(
    BrokerAddress Address,
    AmqpTlsOptions Tls,
    Func<CancellationToken, ValueTask<AmqpCredentials>> Credentials,
    string ClientName,
    string ConnectionName,
    TimeSpan Heartbeat,
    TimeSpan ConnectTimeout,
    long MaxMessageSize,
    TimeProvider Time)
{
    internal static string NameOf(AmqpClientOptions options)
        => options.ClientName ?? Environment.ProcessPath?.Split('/', '\\')[^1] ?? "SafeAmqp";

    internal static LinkConfig From(AmqpClientOptions options, BrokerAddress address, string link) => new(
        address,
        options.Tls,
        options.Credentials ?? (_ => new ValueTask<AmqpCredentials>(new AmqpCredentials(address.UserName!,
            address.Password ?? ""))),
        NameOf(options),
        $"{NameOf(options)}:{link}",
        options.Heartbeat,
        options.ConnectTimeout,
        options.MaxMessageSize,
        options.TimeProvider);

    internal BrokerHost Host(int epoch) => Address.Hosts[(epoch - 1) % Address.Hosts.Count];

    /// <summary>Files are read at each connect, so that renewed certificates are picked up.</summary>
    internal TlsSettings TlsFor(BrokerHost host)
    {
        if (!Address.UseTls)
            return TlsSettings.Off;
        return new TlsSettings
        {
            Enabled = true,
            ServerName = Tls.ServerName ?? host.Name,
            TrustedRoots = Tls.TrustedRoots ?? Roots(Tls.TrustedRootsFile),
            ClientCertificates = Tls.ClientCertificates ?? ClientCertificate(),
            CheckRevocation = Tls.CheckRevocation,
            PinnedKeys = [.. Tls.PinnedKeys.Select(Convert.FromBase64String)],
        };
    }

    private static X509Certificate2Collection? Roots(string? file)
    {
        if (file is null)
            return null;
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(file);
        return roots;
    }

    private X509Certificate2Collection? ClientCertificate()
        => Tls.ClientCertificateFile is null ? null
            : [X509Certificate2.CreateFromPemFile(Tls.ClientCertificateFile, Tls.ClientKeyFile)];
}
