using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.IntegrationTests.Security;

/// <summary>A certificate authority of a test's own.</summary>
public sealed class Authority : IDisposable
{
    private readonly RSA _key = RSA.Create(2048);

    /// <param name="name">Its name.</param>
    /// <param name="issuer">The authority that it has its right from; without one it is a root.</param>
    public Authority(string name, Authority? issuer = null)
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(
            certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        if (issuer is null)
        {
            Root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-10), DateTimeOffset.UtcNow.AddDays(2));
            return;
        }
        using X509Certificate2 issued = request.Create(issuer.Root, DateTimeOffset.UtcNow.AddDays(-9),
            DateTimeOffset.UtcNow.AddDays(1.5), RandomNumberGenerator.GetBytes(8));
        Root = issued.CopyWithPrivateKey(_key);
    }

    /// <summary>Its own certificate, with its key.</summary>
    public X509Certificate2 Root { get; }

    /// <summary>A certificate with its key, for a server at this name, or for a client when there is none.</summary>
    public X509Certificate2 Issue(
        string subject, string? dnsName = null, IPAddress? address = null, bool expired = false)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest($"CN={subject}", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(
            certificateAuthority: false, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, critical: true));
        // server and client
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
            [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        var names = new SubjectAlternativeNameBuilder();
        if (dnsName is not null)
            names.AddDnsName(dnsName);
        if (address is not null)
            names.AddIpAddress(address);
        if (dnsName is not null || address is not null)
            request.CertificateExtensions.Add(names.Build());
        DateTimeOffset until = expired ? DateTimeOffset.UtcNow.AddDays(-1) : DateTimeOffset.UtcNow.AddDays(1);
        using X509Certificate2 issued = request.Create(
            Root, DateTimeOffset.UtcNow.AddDays(-5), until, RandomNumberGenerator.GetBytes(8));
        return issued.CopyWithPrivateKey(key);
    }

    public static (string Certificate, string Key) Pem(X509Certificate2 certificate)
    {
        using RSA key = certificate.GetRSAPrivateKey()!;
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    public void Dispose()
    {
        _key.Dispose();
        Root.Dispose();
    }
}
