using System.Security.Cryptography;
using System.Text;
using static QuicTransports.Ngtcp2.Native;

namespace QuicTransports.Ngtcp2;

/// <summary>An endpoint's certificate for GnuTLS, and the secret that its tokens are made of.</summary>
internal sealed unsafe class Credentials : IDisposable
{
    private void* _handle;

    private Credentials(byte[] secret)
    {
        Secret = secret;
        void* handle;
        Check(gnutls_certificate_allocate_credentials(&handle), "credentials");
        _handle = handle;
    }

    public void* Handle => _handle;

    /// <summary>
    /// A server with the same key has the same secret, so that clients learn at once of its new start.
    /// </summary>
    public byte[] Secret { get; }

    public static Credentials OfClient() => new(RandomNumberGenerator.GetBytes(32));

    public static Credentials OfServer(QuicOptions settings)
    {
        using var certificate = ServerCertificate.Load(settings);
        byte[] key = certificate.Key;
        var made = new Credentials(
            HKDF.DeriveKey(HashAlgorithmName.SHA256, key, 32, info: "fl quic tokens"u8.ToArray()));
        byte[] chain = Encoding.ASCII.GetBytes(certificate.ChainPem), pem = Encoding.ASCII.GetBytes(certificate.KeyPem);
        fixed (byte* first = chain, second = pem)
        {
            var (chainDatum, keyDatum) = (new Datum { Data = first, Size = (uint)chain.Length },
                new Datum { Data = second, Size = (uint)pem.Length });
            Check(gnutls_certificate_set_x509_key_mem(made._handle, &chainDatum, &keyDatum, 1), "the certificate");
        }
        return made;
    }

    public void Dispose()
    {
        if (_handle is not null)
            gnutls_certificate_free_credentials(_handle);
        _handle = null;
    }
}
