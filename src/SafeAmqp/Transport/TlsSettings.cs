using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.Transport;

/// <summary>How TLS is done on a link. Nothing here can turn the checks of the server's certificate off.</summary>
internal sealed record TlsSettings
{
    public static TlsSettings Off { get; } = new();

    public bool Enabled { get; init; }

    /// <summary>
    /// The name that the server's certificate must be made out to; also sent to the server. Needed when TLS is on.
    /// </summary>
    public string ServerName { get; init; } = "";

    /// <summary>The first one with a private key is presented to the server, the others are its chain.</summary>
    public X509Certificate2Collection? ClientCertificates { get; init; }

    /// <summary>If given, the only roots that are trusted; otherwise the operating system's.</summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }

    /// <summary>Whether revoked certificates are refused. Costs a request to the issuer while connecting.</summary>
    /// <value>False.</value>
    public bool CheckRevocation { get; init; }

    /// <summary>SHA-256 of public keys, one of which the server's chain must hold; none asks for none.</summary>
    public IReadOnlyList<byte[]> PinnedKeys { get; init; } = [];

    /// <value>TLS 1.2 and 1.3; what is older is refused by <see cref="Validate"/>.</value>
    public SslProtocols Protocols { get; init; } = Allowed;

    private const SslProtocols Allowed = SslProtocols.Tls12 | SslProtocols.Tls13;

    public void Validate()
    {
        if (!Enabled)
            return;
        ArgumentException.ThrowIfNullOrEmpty(ServerName);
        if (Protocols == SslProtocols.None || (Protocols & ~Allowed) != 0)
            throw new ArgumentException($"Only TLS 1.2 and 1.3 are allowed, not {Protocols}.");
        if (ClientCertificates is { Count: > 0 } certificates && !certificates.Any(c => c.HasPrivateKey))
            throw new ArgumentException("None of the client certificates has a private key.");
    }
}
