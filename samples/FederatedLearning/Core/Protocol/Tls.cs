using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace FederatedLearning.Protocol;

/// <summary>What protocols over TCP know of TLS: certificates in PEM files, and where there may be none.</summary>
public static class Tls
{
    /// <summary>Whether a host is this machine, which is reached without TLS.</summary>
    public static bool IsThisMachine(string host)
        => host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    /// <summary>A server's certificate with its key.</summary>
    /// <exception cref="InvalidOperationException">A file cannot be read, or holds something else.</exception>
    public static X509Certificate2 ReadCertificate(string file, string? keyFile)
    {
        try
        {
            using var certificate = X509Certificate2.CreateFromPemFile(file, keyFile);
            // By way of PKCS #12: there are systems on which servers cannot use a key from PEM as it is.
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
        }
        catch (Exception error) when (IsUnusable(error))
        {
            throw new InvalidOperationException($"The certificate in {file} cannot be used: {error.Message}", error);
        }
    }

    /// <summary>The root certificates that a client trusts.</summary>
    /// <exception cref="InvalidOperationException">The file cannot be read, or holds something else.</exception>
    public static X509Certificate2Collection ReadRoots(string file)
    {
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(file);
        }
        catch (Exception error) when (IsUnusable(error))
        {
            throw new InvalidOperationException($"The certificates in {file} cannot be used: {error.Message}", error);
        }
        return roots.Count > 0
            ? roots
            : throw new InvalidOperationException($"The certificates in {file} cannot be used: there is none.");
    }

    private static bool IsUnusable(Exception error)
        => error is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException;
}
