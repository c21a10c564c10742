using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace QuicTransports;

/// <summary>The server's certificate, from files, or made for loopback.</summary>
internal sealed class ServerCertificate : IDisposable
{
    private readonly AsymmetricAlgorithm _key;

    private ServerCertificate(X509Certificate2 leaf, string chainPem, AsymmetricAlgorithm key)
        => (Leaf, ChainPem, _key) = (leaf, chainPem, key);

    public X509Certificate2 Leaf { get; }

    public string ChainPem { get; }

    public string KeyPem => _key.ExportPkcs8PrivateKeyPem();

    public byte[] Key => _key.ExportPkcs8PrivateKey();

    /// <exception cref="InvalidOperationException">There is none that could be used; the message names the
    /// setting.</exception>
    public static ServerCertificate Load(QuicOptions settings)
    {
        if (settings.CertificateFiles is not { } files)
        {
            return IPAddress.IsLoopback(settings.Listen)
                ? MakeForLoopback()
                : throw new InvalidOperationException(
                    "QUIC_CERTIFICATE and QUIC_KEY must be set: a self-signed certificate is made for loopback only.");
        }
        try
        {
            string chain = File.ReadAllText(files.Certificate);
            var leaf = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
            return new ServerCertificate(leaf, chain,
                (AsymmetricAlgorithm?)leaf.GetECDsaPrivateKey() ?? leaf.GetRSAPrivateKey()
                ?? throw new InvalidOperationException("QUIC_KEY must be a key of ECDSA or RSA."));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new InvalidOperationException($"QUIC_CERTIFICATE and QUIC_KEY cannot be used: {error.Message}",
                error);
        }
    }

    public void Dispose()
    {
        Leaf.Dispose();
        _key.Dispose();
    }

    private static ServerCertificate MakeForLoopback()
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        var leaf = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(1));
        return new ServerCertificate(leaf, leaf.ExportCertificatePem(), key);
    }
}

/// <summary>What a server has shown: its certificate first, then those between it and a root, in DER.</summary>
internal sealed record CertificateChain(IReadOnlyList<byte[]> Certificates)
{
    /// <summary>
    /// A client's judgement: the pinned certificate, or one that a trusted root vouches for by the server's name.
    /// </summary>
    /// <param name="settings">What the client trusts.</param>
    /// <param name="server">Where the server is. On loopback, with neither pin nor root set, any certificate will
    /// do.</param>
    /// <returns>What is wrong; null if the server is trusted.</returns>
    public string? FindProblem(QuicOptions settings, IPAddress server)
    {
        if (Certificates.Count == 0)
            return "the server showed no certificate";
        using var leaf = X509CertificateLoader.LoadCertificate(Certificates[0]);
        if (settings.Pin is { } pin)
        {
            return leaf.GetCertHashString(HashAlgorithmName.SHA256).Equals(pin, StringComparison.OrdinalIgnoreCase)
                ? null
                : $"the server's certificate {leaf.Subject} is not the one that QUIC_PIN names";
        }
        if (settings.RootFile is null && IPAddress.IsLoopback(server))
            return null;
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck; // private roots seldom have lists
        foreach (byte[] between in Certificates.Skip(1))
            chain.ChainPolicy.ExtraStore.Add(X509CertificateLoader.LoadCertificate(between));
        if (settings.RootFile is { } file)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(file);
        }
        if (!chain.Build(leaf))
            return $"the server's certificate {leaf.Subject} is not trusted: "
                + string.Join(", ", chain.ChainStatus.Select(status => status.Status));
        return leaf.MatchesHostname(settings.Host)
            ? null
            : $"the server's certificate {leaf.Subject} is not for {settings.Host}";
    }
}
