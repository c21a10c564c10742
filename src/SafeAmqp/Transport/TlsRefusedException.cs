using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace SafeAmqp.Transport;

/// <summary>TLS did not come about: the certificate was refused, or the peer does not speak TLS as we do.</summary>
internal sealed class TlsRefusedException(string message, SslPolicyErrors policyErrors, X509ChainStatusFlags chainStatus, Exception inner)
    : AuthenticationException(message, inner)
{
    /// <summary>What was wrong with the server's certificate; None when the handshake failed for another reason.</summary>
    public SslPolicyErrors PolicyErrors { get; } = policyErrors;

    public X509ChainStatusFlags ChainStatus { get; } = chainStatus;
}
