namespace GuardedFetching;

/// <summary>What may be fetched, and how long it may take.</summary>
public sealed class FetchOptions
{
    /// <summary>
    /// Hosts that may be asked: "host" (ports 80 and 443), "host:8080", "host:*", or "*.example.com" for what is below
    /// a domain.
    /// </summary>
    /// <value>Default: loopback on every port, for the sample's own pages.</value>
    public IList<string> AllowedHosts { get; init; } = ["localhost:*", "127.0.0.1:*", "[::1]:*"];

    /// <summary>
    /// Hosts that may lead to link-local and metadata addresses (169.254.0.0/16, fe80::/10, fd00:ec2::/32).
    /// Being in <see cref="AllowedHosts"/> is not enough: a name there may be made to point anywhere.
    /// </summary>
    /// <value>Default: none.</value>
    public IList<string> LinkLocalHosts { get; init; } = [];

    /// <summary>
    /// Hosts that may lead to internal addresses (loopback, private networks). A name outside this list that leads
    /// there is refused, even when it is on the allow list: the owner of its DNS records may change them at any
    /// time.
    /// </summary>
    /// <value>Default: <see langword="null"/>, every host that <see cref="AllowedHosts"/> writes out.</value>
    public IList<string>? InternalHosts { get; init; }

    /// <summary>Longest time for one address, redirects and body included.</summary>
    /// <value>Default: 10 seconds.</value>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Most redirects followed for one address.</summary>
    /// <value>Default: 5.</value>
    public int MaxRedirects { get; init; } = 5;

    /// <summary>What the requests give as their user agent.</summary>
    /// <value>Default: "SafeAmqpSamples/0.1".</value>
    public string UserAgent { get; init; } = "SafeAmqpSamples/0.1";
}
