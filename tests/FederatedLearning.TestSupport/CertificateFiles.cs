using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace FederatedLearning.TestSupport;

/// <summary>A root, a certificate for localhost that it vouches for, and a root that is not known.</summary>
internal sealed class CertificateFiles : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fl-certificates-").FullName;

    public CertificateFiles()
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var root = MakeRoot(rootKey, "CN=Root");
        using var otherKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = MakeRoot(otherKey, "CN=Other");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var server = request.Create(root, root.NotBefore, root.NotAfter, [1, 2, 3]);
        (ServerPin, OtherPin) =
            (server.GetCertHashString(HashAlgorithmName.SHA256), other.GetCertHashString(HashAlgorithmName.SHA256));
        File.WriteAllText(Root, root.ExportCertificatePem());
        File.WriteAllText(OtherRoot, other.ExportCertificatePem());
        File.WriteAllText(Server, server.ExportCertificatePem());
        File.WriteAllText(ServerKey, key.ExportPkcs8PrivateKeyPem());
    }

    public string Root => Path.Combine(_folder, "root.pem");

    public string OtherRoot => Path.Combine(_folder, "other.pem");

    public string Server => Path.Combine(_folder, "server.pem");

    public string ServerKey => Path.Combine(_folder, "server.key");

    public string ServerPin { get; }

    public string OtherPin { get; }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static X509Certificate2 MakeRoot(ECDsa key, string name)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
    }
}
