using System.Net;
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

/// <summary>One host to connect to.</summary>
internal readonly record struct BrokerHost(string Name, int Port)
{
    internal bool IsLoopback => Name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(Name.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    public override string ToString() => $"{Name}:{Port}";
}

/// <summary>Where to connect and with which account, taken from the options. URIs are parsed here and never given to
/// RabbitMQ.Client, whose exceptions and getters print their password; no message here repeats any part of a URI but
/// its host.</summary>
internal sealed record BrokerAddress(IReadOnlyList<BrokerHost> Hosts, bool UseTls, string VirtualHost, string? UserName,
    string? Password)
{
    /// <summary>The ports that IANA gave to AMQP, without and with TLS.</summary>
    private const int PlainPort = 5672, TlsPort = 5671;

    private const string Form =
        "It must have the form amqp://user:password@host:port/virtual-host, or amqps:// for TLS.";

    public override string ToString() => string.Join(", ", Hosts);

    internal static BrokerAddress From(AmqpClientOptions options)
    {
        var hosts = new List<BrokerHost>();
        bool useTls = false;
        string virtualHost = options.VirtualHost, name = nameof(options.Uri);
        (string? User, string? Password) account = (options.UserName, options.Password);
        if (options.Uri is not null)
        {
            Uri uri = Parse(options.Uri);
            useTls = uri.Scheme == "amqps";
            hosts.Add(new BrokerHost(uri.Host, uri.IsDefaultPort ? DefaultPort(useTls) : uri.Port));
            if (uri.UserInfo.Length > 0)
                account = Account(uri.UserInfo);
            if (uri.AbsolutePath.Length > 1)
                virtualHost = Unescape(uri.AbsolutePath[1..]);
        }
        foreach (string host in options.Hosts)
        {
            name = nameof(options.Hosts);
            hosts.Add(ParseHost(host, DefaultPort(useTls)));
        }
        if (hosts.Count == 0)
            throw new ArgumentException($"Set {nameof(options.Uri)} or {nameof(options.Hosts)}: there is no broker "
                + $"to connect to.", nameof(options.Uri));
        Check.Name(virtualHost, nameof(options.VirtualHost));
        if (options.Credentials is null && account.User is null)
            throw new ArgumentException($"There is no user: put one into {nameof(options.Uri)}, or set "
                + $"{nameof(options.UserName)} and {nameof(options.Password)}, or {nameof(options.Credentials)}.",
                    nameof(options.UserName));
        foreach (BrokerHost host in hosts.Where(host => !host.IsLoopback))
        {
            if (!useTls && !options.AllowPlaintext)
                throw new ArgumentException($"The host {host} is not loopback and the connection would not be "
                    + $"encrypted: use amqps://, or set {nameof(options.AllowPlaintext)}.", name);
            if (account.User == "guest" && options.Credentials is null)
                throw new ArgumentException($"The user 'guest' is for loopback only, and {host} is not: the broker "
                    + $"refuses it.", nameof(options.UserName));
        }
        return new BrokerAddress(hosts, useTls, virtualHost, account.User, account.Password);
    }

    private static Uri Parse(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) || uri.Host.Length == 0)
            throw new ArgumentException($"Uri cannot be read. {Form}", nameof(AmqpClientOptions.Uri));
        if (uri.Scheme is not ("amqp" or "amqps"))
            throw new ArgumentException($"Uri has the scheme '{uri.Scheme}'. {Form}", nameof(AmqpClientOptions.Uri));
        if (uri.Query.Length > 0 || uri.Fragment.Length > 0)
            throw new ArgumentException($"Uri has a query or fragment, which has no meaning here: set the options "
                + $"instead. {Form}", nameof(AmqpClientOptions.Uri));
        if (uri.AbsolutePath.AsSpan(1 <= uri.AbsolutePath.Length ? 1 : 0).Contains('/'))
            throw new ArgumentException($"Uri has more than one path segment; write a slash in a virtual host's name "
                + $"as %2F. {Form}", nameof(AmqpClientOptions.Uri));
        return uri;
    }

    private static (string User, string? Password) Account(string userInfo)
    {
        int colon = userInfo.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? (Unescape(userInfo), null)
            : (Unescape(userInfo[..colon]), Unescape(userInfo[(colon + 1)..]));
    }

    private static BrokerHost ParseHost(string text, int defaultPort)
    {
        if (!Uri.TryCreate($"amqp://{text}", UriKind.Absolute, out Uri? uri) || uri.Host.Length == 0
            || uri.UserInfo.Length > 0 || uri.AbsolutePath.Length > 1)
            throw new ArgumentException("Each of Hosts must be a host or host:port.", nameof(AmqpClientOptions.Hosts));
        return new BrokerHost(uri.Host, uri.Port > 0 ? uri.Port : defaultPort);
    }

    private static int DefaultPort(bool useTls) => useTls ? TlsPort : PlainPort;

    private static string Unescape(string text) => Uri.UnescapeDataString(text);
}
