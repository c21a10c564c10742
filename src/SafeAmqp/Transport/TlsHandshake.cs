using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.Transport;

/// <summary>One TLS handshake as a client. The chain is built by SslStream with a policy of ours and the name is
/// compared by SslStream itself; the callback only looks at the verdict, so that no certificate can pass the one check
/// for having passed the other.</summary>
internal sealed class TlsHandshake(TlsSettings settings)
{
    // A revocation server that does not answer must not use up the time to connect.
    private static readonly TimeSpan RevocationTimeout = TimeSpan.FromSeconds(5);

    private SslPolicyErrors _policyErrors;
    private X509ChainStatusFlags _chainStatus;
    private bool _pinMissing;

    public async Task<SslStream> AuthenticateAsync(Stream inner, CancellationToken cancellationToken)
    {
        var ssl = new SslStream(inner, leaveInnerStreamOpen: false);
        try
        {
            // Building the chain may block on the network, where cancellation does not reach: it is left behind then.
            await ssl.AuthenticateAsClientAsync(Options(), cancellationToken).WaitOrLeaveAsync(cancellationToken)
                .ConfigureAwait(false);
            return ssl;
        }
        catch (AuthenticationException e)
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            throw new TlsRefusedException($"TLS with '{settings.ServerName}' failed: {Describe(e)}.", _policyErrors,
                _chainStatus, e);
        }
        catch
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private SslClientAuthenticationOptions Options() => new()
    {
        TargetHost = settings.ServerName,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        EncryptionPolicy = EncryptionPolicy.RequireEncryption,
        AllowRenegotiation = false,
        CertificateChainPolicy = ChainPolicy(),
        ClientCertificateContext = ClientCertificate(),
        RemoteCertificateValidationCallback = (_, _, chain, errors) =>
        {
            _policyErrors = errors;
            _chainStatus = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status)
                ?? default;
            _pinMissing = errors == SslPolicyErrors.None && !HasPinnedKey(chain);
            return errors == SslPolicyErrors.None && !_pinMissing;
        },
    };

    // Beside the chain and the name, never in their place.
    private bool HasPinnedKey(X509Chain? chain)
    {
        if (settings.PinnedKeys.Count == 0)
            return true;

        return chain?.ChainElements.Any(element =>
        {
            byte[] key = SHA256.HashData(element.Certificate.PublicKey.ExportSubjectPublicKeyInfo());
            return settings.PinnedKeys.Any(pin => pin.AsSpan().SequenceEqual(key));
        }) ?? false;
    }

    private X509ChainPolicy ChainPolicy()
    {
        var policy = new X509ChainPolicy
        {
            RevocationMode = settings.CheckRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck,
            RevocationFlag = X509RevocationFlag.ExcludeRoot,
            UrlRetrievalTimeout = RevocationTimeout,
            // A server sends its whole chain; a missing link is not fetched from an address that an unchecked
            // certificate names.
            DisableCertificateDownloads = true,
        };
        if (settings.TrustedRoots is { } roots)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(roots);
        }

        return policy;
    }

    private SslStreamCertificateContext? ClientCertificate()
    {
        if (settings.ClientCertificates?.FirstOrDefault(c => c.HasPrivateKey) is not { } own)
            return null;

        X509Certificate2[] others = [.. settings.ClientCertificates.Where(c => !c.Equals(own))];
        var chain = new X509Certificate2Collection(others);
        return SslStreamCertificateContext.Create(own, chain, offline: true);
    }

    private string Describe(AuthenticationException error)
    {
        if (_pinMissing)
            return "no key in the server's chain is pinned";
        if (_policyErrors == SslPolicyErrors.None
            && error.Message.Contains("frame size", StringComparison.OrdinalIgnoreCase))
            return "the peer does not speak TLS on this port (amqp:// is without TLS; the TLS port is 5671 as a rule)";
        if (_policyErrors == SslPolicyErrors.None)
            return (error.InnerException ?? error).Message.TrimEnd('.');

        var found = new List<string>();
        if (_policyErrors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
            found.Add("the server showed no certificate");
        if (_policyErrors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            found.Add("name mismatch, the certificate is made out to another name");
        if (_chainStatus.HasFlag(X509ChainStatusFlags.NotTimeValid))
            found.Add("expired or not yet valid");
        if ((_chainStatus & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) != 0)
            found.Add("untrusted root");
        if (_chainStatus.HasFlag(X509ChainStatusFlags.NotSignatureValid))
            found.Add("not signed by the root that it names");
        if (_chainStatus.HasFlag(X509ChainStatusFlags.NotValidForUsage))
            found.Add("not made for servers");
        if (_chainStatus.HasFlag(X509ChainStatusFlags.Revoked))
            found.Add("revoked");
        if (found.Count == 0)
            found.Add("the certificate's chain was refused");
        return $"{string.Join("; ", found)} ({_policyErrors}; {_chainStatus})";
    }
}

/// <summary>TLS did not come about: the certificate was refused, or the peer does not speak TLS as we do.</summary>
internal sealed class TlsRefusedException(string message, SslPolicyErrors policyErrors,
    X509ChainStatusFlags chainStatus, Exception inner)
    : AuthenticationException(message, inner)
{
    /// <summary>What was wrong with the server's certificate; None when the handshake failed for another
    /// reason.</summary>
    public SslPolicyErrors PolicyErrors { get; } = policyErrors;

    public X509ChainStatusFlags ChainStatus { get; } = chainStatus;
}

/// <summary>Reads certificates from PEM files, and says what is wrong with a file that cannot be used.</summary>
internal static class PemFile
{
    /// <param name="option">What names the file.</param>
    /// <param name="file">The file; without one there are no certificates.</param>
    /// <exception cref="InvalidDataException">It cannot be used.</exception>
    internal static X509Certificate2Collection? Certificates(string option, string? file)
    {
        if (file is null)
            return null;
        var certificates = new X509Certificate2Collection();
        return Read(option, file, "a certificate in it is malformed", () =>
        {
            certificates.ImportFromPemFile(file);
            return certificates.Count > 0 ? certificates
                : throw new InvalidDataException("it has no certificate in PEM (-----BEGIN CERTIFICATE-----)");
        });
    }

    /// <summary>The first certificate of a file with its key, and those behind it, which lead to its root.</summary>
    /// <exception cref="InvalidDataException">One of the files cannot be used.</exception>
    internal static X509Certificate2Collection? WithKey(string option, string? file, string keyOption, string? keyFile)
    {
        if (file is null || Certificates(option, file) is not { } chain)
            return null;
        X509Certificate2 own = Read(keyFile is null ? option : keyOption, keyFile ?? file,
            "it has no private key that fits the certificate and needs no password",
            () => Usable(X509Certificate2.CreateFromPemFile(file, keyFile)));
        return [own, .. chain.Skip(1)];
    }

    // The TLS of Windows takes no key that is in memory alone (dotnet/runtime#23749).
    private static X509Certificate2 Usable(X509Certificate2 certificate) => OperatingSystem.IsWindows()
        ? X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null) : certificate;

    private static T Read<T>(string option, string file, string ifMalformed, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException
            or CryptographicException)
        {
            string why = error switch
            {
                FileNotFoundException or DirectoryNotFoundException => "there is no such file",
                UnauthorizedAccessException => "this process may not read it",
                CryptographicException => ifMalformed,
                _ => error.Message,
            };
            throw new InvalidDataException($"{option} '{file}' cannot be used: {why}", error);
        }
    }
}

/// <summary>How TLS is done on a link. Nothing here can turn the checks of the server's certificate off, or
/// allow a version older than 1.2.</summary>
internal sealed record TlsSettings
{
    /// <summary>The name that the server's certificate must be issued for; also sent to the server.</summary>
    public required string ServerName { get; init; }

    /// <summary>The first one with a private key is presented to the server, the others are its chain.</summary>
    public X509Certificate2Collection? ClientCertificates { get; init; }

    /// <summary>If given, the only roots that are trusted; otherwise the operating system's.</summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }

    /// <summary>Whether revoked certificates are refused. Costs a request to the issuer while connecting.</summary>
    /// <value>False.</value>
    public bool CheckRevocation { get; init; }

    /// <summary>SHA-256 of public keys, one of which the server's chain must hold; none asks for none.</summary>
    public IReadOnlyList<byte[]> PinnedKeys { get; init; } = [];

    public void Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(ServerName);
        if (ClientCertificates is { Count: > 0 } certificates && !certificates.Any(c => c.HasPrivateKey))
            throw new ArgumentException("None of the client certificates has a private key.");
    }
}
