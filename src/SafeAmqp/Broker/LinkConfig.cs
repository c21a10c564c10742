using System.Globalization;
using System.Net;
using SafeAmqp.Transport;

namespace SafeAmqp.Broker;

/// <summary>How a link connects.</summary>
internal sealed record LinkConfig(BrokerAddress Address, AmqpTlsOptions Tls,
    Func<CancellationToken, ValueTask<AmqpCredentials>> Credentials, string ClientName, string ConnectionName,
    TimeSpan Heartbeat, long MaxMessageSize, TimeProvider Time)
{
    internal static string NameOf(AmqpClientOptions options)
        => options.ClientName ?? Environment.ProcessPath?.Split('/', '\\')[^1] ?? "SafeAmqp";

    internal static LinkConfig From(AmqpClientOptions options, BrokerAddress address, string link) => new(
        address,
        options.Tls,
        options.Credentials ?? (_ => new ValueTask<AmqpCredentials>(new AmqpCredentials(address.UserName ?? "",
            address.Password ?? ""))),
        NameOf(options),
        $"{NameOf(options)}:{link}",
        options.Heartbeat,
        options.MaxMessageSize,
        options.TimeProvider);

    internal BrokerHost Host(int epoch) => Address.Hosts[(epoch - 1) % Address.Hosts.Count];

    /// <summary>Files are read at each connect, so that renewed certificates are picked up.</summary>
    /// <returns>How TLS is done; null when it is not.</returns>
    /// <exception cref="InvalidDataException">One of them cannot be used.</exception>
    internal TlsSettings? TlsFor(BrokerHost host)
    {
        if (!Address.UseTls)
            return null;
        return new TlsSettings
        {
            ServerName = Address.Settings.ServerName ?? Tls.ServerName ?? host.Name,
            TrustedRoots = PemFile.Certificates("cacertfile", Address.Settings.RootsFile) ?? Tls.TrustedRoots
                ?? PemFile.Certificates(nameof(Tls.TrustedRootsFile), Tls.TrustedRootsFile),
            ClientCertificates = PemFile.WithKey("certfile", Address.Settings.CertificateFile, "keyfile",
                    Address.Settings.KeyFile)
                ?? (Tls.ClientCertificates is { Count: > 0 } given ? given
                    : PemFile.WithKey(nameof(Tls.ClientCertificateFile), Tls.ClientCertificateFile,
                        nameof(Tls.ClientKeyFile), Tls.ClientKeyFile)),
            CheckRevocation = Tls.CheckRevocation,
            PinnedKeys = [.. Tls.PinnedKeys.Select(Convert.FromBase64String)],
        };
    }
}

/// <summary>One host to connect to.</summary>
internal readonly record struct BrokerHost(string Name, int Port)
{
    internal bool IsLoopback => Name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(Name.Trim('[', ']'), out IPAddress? address) && IPAddress.IsLoopback(address));

    public override string ToString() => $"{Name}:{Port}";

    /// <summary>Reads <c>host</c> or <c>host:port</c>, an IPv6 address in brackets.</summary>
    /// <returns>What is wrong; null when nothing is.</returns>
    internal static string? Read(string text, int defaultPort, out BrokerHost host)
    {
        host = default;
        int end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1
            : text.IndexOf(':', StringComparison.Ordinal);
        string name = end < 0 ? text : text[..end], rest = text[name.Length..];
        if (name.Length == 0)
            return "it has no host";
        if (Uri.CheckHostName(name) == UriHostNameType.Unknown)
            return "its host is none";
        int port = defaultPort;
        if (rest.Length > 0 && (rest[0] != ':' || !int.TryParse(rest.AsSpan(1), NumberStyles.None,
            CultureInfo.InvariantCulture, out port) || port is < 1 or > ushort.MaxValue))
            return "its port must be a number from 1 to 65535";
        host = new BrokerHost(name.ToLowerInvariant(), port);
        return null;
    }
}

/// <summary>Where to connect and with which account, taken from the options.</summary>
internal sealed record BrokerAddress(IReadOnlyList<BrokerHost> Hosts, bool UseTls, string VirtualHost, string? UserName,
    string? Password)
{
    /// <summary>The ports that IANA gave to AMQP, without and with TLS.</summary>
    private const int PlainPort = 5672, TlsPort = 5671;

    /// <summary>The account that a new RabbitMQ has.</summary>
    internal const string Guest = "guest";

    /// <summary>What the URI's parameters set.</summary>
    internal UriSettings Settings { get; private init; } = new();

    /// <summary>How the client authenticates.</summary>
    internal AmqpAuthMechanism Mechanism { get; private init; }

    /// <summary>Whether credentials go unencrypted to another machine.</summary>
    internal bool IsInTheClear => !UseTls && Hosts.Any(host => !host.IsLoopback);

    public override string ToString() => string.Join(", ", Hosts);

    internal static BrokerAddress From(AmqpClientOptions options)
    {
        BrokerUri? uri = options.Uri is null ? null : BrokerUri.Parse(options.Uri);
        bool useTls = uri is { UseTls: true };
        if (options.RequireTls && !useTls)
            throw new ArgumentException($"{nameof(options.RequireTls)} forbids a connection without TLS: write a "
                + $"{nameof(options.Uri)} that begins with amqps://.", nameof(options.Uri));
        var hosts = new List<BrokerHost>();
        if (uri is not null)
            hosts.Add(uri.Host);
        foreach (string text in options.Hosts)
        {
            if (BrokerHost.Read(text, DefaultPort(useTls), out BrokerHost host) is { } wrong)
                throw new ArgumentException($"Each of Hosts must be a host or host:port, and of one {wrong}.",
                    nameof(options.Hosts));
            hosts.Add(host);
        }
        if (hosts.Count == 0)
            throw new ArgumentException($"Set {nameof(options.Uri)} or {nameof(options.Hosts)}: there is no broker "
                + $"to connect to.", nameof(options.Uri));
        string virtualHost = uri?.VirtualHost ?? options.VirtualHost;
        Check.Name(virtualHost, nameof(options.VirtualHost));
        string? user = uri?.User ?? options.UserName, password = uri?.Password ?? options.Password;
        UriSettings settings = uri?.Settings ?? new();
        AmqpAuthMechanism mechanism = settings.Mechanism ?? options.AuthMechanism;
        if (mechanism == AmqpAuthMechanism.External)
            CheckExternal(options, settings, useTls, hasAccount: user is not null || password is not null);
        else if (options.Credentials is null && user is null)
            (user, password) = (Guest, password ?? Guest);
        return new(hosts, useTls, virtualHost, user, password) { Settings = settings, Mechanism = mechanism };
    }

    private static void CheckExternal(AmqpClientOptions options, UriSettings settings, bool useTls, bool hasAccount)
    {
        string? wrong = !useTls ? $"needs TLS: write a {nameof(options.Uri)} that begins with amqps://"
            : (settings.CertificateFile ?? options.Tls.ClientCertificateFile) is null
                && options.Tls.ClientCertificates is not { Count: > 0 }
                ? $"needs a client's certificate: set {nameof(options.Tls)}.{nameof(options.Tls.ClientCertificateFile)}"
            : hasAccount || options.Credentials is not null
                ? "takes no user and no password: the broker takes the user from the certificate" : null;
        if (wrong is not null)
            throw new ArgumentException($"{nameof(options.AuthMechanism)} {AmqpAuthMechanism.External} {wrong}.",
                nameof(options.AuthMechanism));
    }

    internal static int DefaultPort(bool useTls) => useTls ? TlsPort : PlainPort;
}

/// <summary>What the parameters of a URI set, where it has them.</summary>
internal sealed record UriSettings
{
    internal TimeSpan? Heartbeat { get; set; }
    internal TimeSpan? ConnectTimeout { get; set; }
    internal ushort? ChannelMax { get; set; }
    internal uint? FrameMax { get; set; }
    internal string? RootsFile { get; set; }
    internal string? CertificateFile { get; set; }
    internal string? KeyFile { get; set; }
    internal string? ServerName { get; set; }
    internal AmqpAuthMechanism? Mechanism { get; set; }
}

/// <summary>A broker's URI, taken apart. It is never given to RabbitMQ.Client, whose exceptions and getters print its
/// password, nor to <see cref="System.Uri"/>, which takes a part of a password for a host, a port or a path. No message
/// here repeats any part of it but the names of parameters.</summary>
internal sealed record BrokerUri(bool UseTls, BrokerHost Host, string? User, string? Password, string? VirtualHost,
    UriSettings Settings)
{
    private const string Form =
        "It must have the form amqp://user:password@host:port/virtual-host, or amqps:// for TLS.";

    private const string Slip = "In a user name or password the characters / ? # @ : % must be percent-encoded (%2F "
        + "%3F %23 %40 %3A %25), as an @ in a virtual host's name; or set UserName and Password instead.";

    /// <summary>RabbitMQ's own (rabbitmq.com/docs/uri-query-parameters) that mean something here, and
    /// frame_max.</summary>
    private static readonly string[] Known = ["auth_mechanism", "cacertfile", "certfile", "channel_max",
        "connection_timeout", "frame_max", "heartbeat", "keyfile", "server_name_indication", "verify"];

    /// <summary>Hides the account.</summary>
    public override string ToString() => Host.ToString();

    internal static BrokerUri Parse(string text)
    {
        bool useTls = text.StartsWith("amqps://", StringComparison.OrdinalIgnoreCase);
        if (!useTls && !text.StartsWith("amqp://", StringComparison.OrdinalIgnoreCase))
            throw Wrong($"Uri must begin with amqp:// or amqps://. {Form}");
        string rest = text[(text.IndexOf("//", StringComparison.Ordinal) + 2)..];
        int end = rest.IndexOfAny(['/', '?', '#']);
        string authority = end < 0 ? rest : rest[..end], tail = end < 0 ? "" : rest[end..];
        // One of these in a password ends it too early, and leaves an @ behind.
        if (tail.Contains('@') || authority.Count(c => c == '@') > 1)
            throw Wrong($"Uri cannot be read: it has an @ where none is allowed. {Slip}");
        if (tail.Contains('#'))
            throw Wrong($"Uri cannot be read: it has a # (a fragment), which means nothing here. {Slip}");
        int at = authority.IndexOf('@', StringComparison.Ordinal);
        if (BrokerHost.Read(authority[(at + 1)..], BrokerAddress.DefaultPort(useTls), out BrokerHost host) is { } wrong)
            throw Wrong($"Uri cannot be read: {wrong}. {Form} {Slip}");
        string[] account = at <= 0 ? [] : authority[..at].Split(':', 2);
        int query = tail.IndexOf('?', StringComparison.Ordinal);
        string path = query < 0 ? tail : tail[..query];
        if (path.LastIndexOf('/') > 0)
            throw Wrong("Uri cannot be read: it has more than one / behind its host. Write a slash in a virtual "
                + $"host's name as %2F. {Slip}");
        return new BrokerUri(useTls, host, account.Length > 0 ? Decoded(account[0]) : null,
            account.Length > 1 ? Decoded(account[1]) : null, path.Length > 1 ? Decoded(path[1..]) : null,
            Read(query < 0 ? "" : tail[(query + 1)..], useTls));
    }

    private static UriSettings Read(string query, bool useTls)
    {
        var settings = new UriSettings();
        var seen = new HashSet<string>();
        foreach (string parameter in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = parameter.IndexOf('=', StringComparison.Ordinal);
            string name = equals < 0 ? parameter : parameter[..equals];
            if (!Known.Contains(name))
                throw Wrong($"Uri has a parameter that is not known{Quoted(name)}; known are "
                    + $"{string.Join(", ", Known)}. Set the options instead.");
            if (!seen.Add(name))
                throw Wrong($"Uri has the parameter {name} twice.");
            Set(settings, name, Decoded(equals < 0 ? "" : parameter[(equals + 1)..]), useTls);
        }
        if (settings is { KeyFile: not null, CertificateFile: null })
            throw Wrong("Uri's parameter keyfile needs certfile beside it: the certificate that the key is of.");
        return settings;
    }

    private static void Set(UriSettings settings, string name, string value, bool useTls)
    {
        switch (name)
        {
            case "heartbeat":
                settings.Heartbeat = TimeSpan.FromSeconds(Number(name, value, 2, 3600, "seconds"));
                break;
            case "connection_timeout":
                settings.ConnectTimeout = TimeSpan.FromMilliseconds(Number(name, value, 100, 600_000, "milliseconds"));
                break;
            case "channel_max":
                settings.ChannelMax = (ushort)Number(name, value, 4, ushort.MaxValue, "channels");
                break;
            case "frame_max":
                settings.FrameMax = (uint)Number(name, value, 4096, Wire.FrameFormat.MaxFrameSize, "bytes");
                break;
            case "auth_mechanism" when value.ToUpperInvariant() is "PLAIN" or "EXTERNAL":
                settings.Mechanism = Enum.Parse<AmqpAuthMechanism>(value, ignoreCase: true);
                break;
            case "auth_mechanism":
                throw Wrong("Uri's parameter auth_mechanism must be plain or external.");
            case var _ when !useTls:
                throw Wrong($"Uri's parameter {name} is for amqps:// only.");
            case "cacertfile" or "certfile" or "keyfile" or "server_name_indication" when value.Length == 0:
                throw Wrong($"Uri's parameter {name} must not be empty: leave it out.");
            case "cacertfile":
                settings.RootsFile = value;
                break;
            case "certfile":
                settings.CertificateFile = value;
                break;
            case "keyfile":
                settings.KeyFile = value;
                break;
            case "server_name_indication":
                settings.ServerName = value;
                break;
            case "verify" when value != "verify_peer":
                throw Wrong("Uri's parameter verify must be verify_peer: the broker's certificate is always checked. "
                    + "Name the authority that signed it with cacertfile.");
        }
    }

    private static int Number(string name, string value, int min, int max, string unit)
        => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= min
            && number <= max ? number : throw Wrong($"Uri's parameter {name} must be from {min} to {max} {unit}.");

    // A name that is none of a parameter may be a part of a password.
    private static string Quoted(string name)
        => name.Length <= 40 && name.All(c => char.IsAsciiLetterLower(c) || c is '_' or '-') ? $", {name}" : "";

    private static string Decoded(string text)
    {
        for (int at = text.IndexOf('%'); at >= 0; at = text.IndexOf('%', at + 1))
        {
            if (at + 2 >= text.Length || !char.IsAsciiHexDigit(text[at + 1]) || !char.IsAsciiHexDigit(text[at + 2]))
                throw Wrong($"Uri cannot be read: a % begins no escape. {Slip}");
        }
        return Uri.UnescapeDataString(text);
    }

    private static ArgumentException Wrong(string message) => new(message, nameof(AmqpClientOptions.Uri));
}
