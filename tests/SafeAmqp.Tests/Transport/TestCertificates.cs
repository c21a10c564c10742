using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.Tests.Transport;

/// <summary>A root of our own and what it signs, made for the test.</summary>
internal sealed class TestCertificates : IDisposable
{
    private readonly List<X509Certificate2> _all = [];
    private readonly X509Certificate2 _root;

    public TestCertificates(string rootName = "SafeAmqp test root")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={rootName}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        _root = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-30), DateTimeOffset.UtcNow.AddDays(30));
        _all.Add(_root);
    }

    public X509Certificate2Collection Roots => [X509CertificateLoader.LoadCertificate(_root.RawData)];

    public X509Certificate2 Server(string name = "localhost", int endsInDays = 10)
        => Leaf(name, "1.3.6.1.5.5.7.3.1", endsInDays);

    public X509Certificate2 Client(string name) => Leaf(name, "1.3.6.1.5.5.7.3.2", 10);

    public void Dispose() => _all.ForEach(c => c.Dispose());

    private X509Certificate2 Leaf(string name, string usage, int endsInDays)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (IPAddress.TryParse(name, out IPAddress? address)) names.AddIpAddress(address);
        else names.AddDnsName(name.Replace(' ', '-'));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], true));
        using X509Certificate2 bare = request.Create(
            _root, DateTimeOffset.UtcNow.AddDays(-20), DateTimeOffset.UtcNow.AddDays(endsInDays),
            RandomNumberGenerator.GetBytes(8));
        using X509Certificate2 whole = bare.CopyWithPrivateKey(key);
        // By way of PKCS#12, as Windows takes no key for TLS that only lives in memory.
        X509Certificate2 leaf = X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pfx), null);
        _all.Add(leaf);
        return leaf;
    }
}
