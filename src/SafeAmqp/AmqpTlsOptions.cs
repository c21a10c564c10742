using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp;

/// <summary>TLS settings. TLS 1.2 and 1.3 only; the certificate's chain and name are always checked.</summary>
public sealed class AmqpTlsOptions
{
    // Settable, as those of the client that they are a part of: the section of configuration sets some of them, and a
    // delegate of AddSafeAmqp others after it, which with init would have to replace what the section said.

    /// <summary>The name that the broker's certificate must carry.</summary>
    /// <value>Default: the host's name.</value>
    public string? ServerName { get; set; }

    /// <summary>The roots to trust in place of the operating system's.</summary>
    /// <value>Default: none.</value>
    public X509Certificate2Collection? TrustedRoots { get; set; }

    /// <summary>The client's certificates with their private keys.</summary>
    /// <value>Default: none.</value>
    public X509Certificate2Collection? ClientCertificates { get; set; }

    /// <summary>A PEM file with the roots to trust in place of the operating system's; read at each connect, so it can
    /// be renewed.</summary>
    /// <value>Default: none.</value>
    public string? TrustedRootsFile { get; set; }

    /// <summary>A PEM file with the client's certificate, and behind it those between it and its root; read at each
    /// connect, so it can be renewed.</summary>
    /// <value>Default: none.</value>
    public string? ClientCertificateFile { get; set; }

    /// <summary>A PEM file with the private key of <see cref="ClientCertificateFile"/>, without a password.</summary>
    /// <value>Default: the certificate's file.</value>
    public string? ClientKeyFile { get; set; }

    /// <summary>Public keys, one of which the broker's certificate or one of its issuers must have, beside all other
    /// checks: the SHA-256 of the SubjectPublicKeyInfo in base64, as <c>openssl x509 -pubkey -noout | openssl pkey
    /// -pubin -outform der | openssl dgst -sha256 -binary | base64</c>
    /// prints it. Name the next key, too, before the broker changes to it.</summary>
    /// <value>Default: none; every key that a trusted root vouches for.</value>
    public IList<string> PinnedKeys { get; set; } = [];

    /// <summary>Whether to ask the issuers whether the certificate was revoked.</summary>
    /// <value>Default: <see langword="false"/>, as an unreachable issuer would stop every connection.</value>
    public bool CheckRevocation { get; set; }

    internal void Validate()
    {
        NotEmpty(ServerName?.Length, nameof(ServerName));
        NotEmpty(TrustedRoots?.Count, nameof(TrustedRoots));
        NotEmpty(TrustedRootsFile?.Length, nameof(TrustedRootsFile));
        NotEmpty(ClientCertificateFile?.Length, nameof(ClientCertificateFile));
        NotEmpty(ClientKeyFile?.Length, nameof(ClientKeyFile));
        if (ClientCertificates is { Count: > 0 } certificates && !certificates.Any(one => one.HasPrivateKey))
            throw new ArgumentException($"Tls.{nameof(ClientCertificates)} must hold one with its private key, as "
                + $"X509Certificate2.CreateFromPemFile and X509CertificateLoader.LoadPkcs12FromFile load it.",
                nameof(ClientCertificates));
        if (ClientKeyFile is not null && ClientCertificateFile is null)
            throw new ArgumentException($"{nameof(ClientKeyFile)} needs {nameof(ClientCertificateFile)} beside it: the "
                + $"certificate that the key is of.", nameof(ClientKeyFile));
        ArgumentNullException.ThrowIfNull(PinnedKeys);
        foreach (string pin in PinnedKeys)
        {
            byte[] hash = new byte[SHA256.HashSizeInBytes];
            if (pin is null || !Convert.TryFromBase64String(pin, hash, out int bytes) || bytes != hash.Length)
                throw new ArgumentException($"{nameof(PinnedKeys)} must be SHA-256 hashes in base64: 44 characters "
                    + $"each.", nameof(PinnedKeys));
        }
    }

    private static void NotEmpty(int? length, string name)
    {
        if (length == 0)
            throw new ArgumentException($"{name} must not be empty: leave it null for none.", name);
    }

    internal AmqpTlsOptions Copy()
    {
        var copy = (AmqpTlsOptions)MemberwiseClone();
        copy.PinnedKeys = [.. PinnedKeys];
        return copy;
    }
}
