using System.Net;

namespace GuardedFetching;

/// <summary>Decides which addresses may be asked. Pure.</summary>
public sealed class AddressRules(FetchOptions options)
{
    // fd00:ec2::254 serves instance metadata over IPv6.
    private static readonly IPNetwork[] LinkLocal =
        [IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("fe80::/10"), IPNetwork.Parse("fd00:ec2::/32"),
            IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("::/128"), IPNetwork.Parse("100.100.100.200/32"),
            IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("ff00::/8")];

    private readonly Entry[] _entries = [.. options.AllowedHosts.Select(Entry.Parse)];
    private readonly Entry[]? _internalEntries = options.InternalHosts is null
        ? null
        : [.. options.InternalHosts.Select(Entry.Parse)];
    private readonly HashSet<string> _linkLocalHosts = new(options.LinkLocalHosts, StringComparer.OrdinalIgnoreCase);

    /// <summary>Null when the address may be asked, else the reason why not.</summary>
    public string? Refuse(Uri address)
    {
        if (!address.IsAbsoluteUri || address.Scheme is not ("http" or "https"))
            return "only http and https are allowed";
        if (address.UserInfo.Length > 0) return "credentials in an address are not allowed";
        return Array.Exists(_entries, entry => entry.Covers(address)) ? null : $"{address.Host}:{address.Port} is "
            + "not on the allow list";
    }

    /// <summary>Null when the host may be connected at this IP address, else the reason why not.</summary>
    public string? Refuse(string host, IPAddress resolved)
    {
        var address = resolved.IsIPv4MappedToIPv6 ? resolved.MapToIPv4() : resolved;
        if (Array.Exists(LinkLocal, network => network.Contains(address)) && !_linkLocalHosts.Contains(host))
            return $"{host} leads to the link-local or metadata address {address}";
        // A wildcard names hosts that were never looked at; only a host written out may be an internal one.
        bool isWrittenOut = Array.Exists(
            _internalEntries ?? _entries, entry => !entry.IsWildcard && entry.IsHost(host));
        return IsInternal(address) && !isWrittenOut ? $"{host} leads to the internal address {address}" : null;
    }

    private static bool IsInternal(IPAddress address) =>
        IPAddress.IsLoopback(address) || Array.Exists(Internal, network => network.Contains(address));

    private static readonly IPNetwork[] Internal =
        [IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.168.0.0/16"),
            IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("fc00::/7")];

    private sealed record Entry(string Host, int? Port, bool IsAnyPort, bool IsWildcard)
    {
        public static Entry Parse(string text)
        {
            int colon = text.LastIndexOf(':');
            // The colons of "[::1]" are none before a port.
            bool hasPort = colon > text.LastIndexOf(']');
            string host = hasPort ? text[..colon] : text;
            bool isWildcard = host.StartsWith("*.", StringComparison.Ordinal);
            if (host.Trim('*', '.').Length == 0)
                throw new ArgumentException($"\"{text}\" allows every host; name them.");
            if (!hasPort) return new Entry(Bare(host), null, false, isWildcard);
            string port = text[(colon + 1)..];
            if (port == "*") return new Entry(Bare(host), null, true, isWildcard);
            if (!ushort.TryParse(port, out ushort number))
                throw new ArgumentException($"\"{text}\" has no port behind the colon.");
            return new Entry(Bare(host), number, false, isWildcard);
        }

        public bool Covers(Uri address) => IsHost(address.DnsSafeHost)
            && (IsAnyPort || (Port is { } port ? address.Port == port : address.Port is 80 or 443));

        public bool IsHost(string host) =>
            IsWildcard
                ? host.EndsWith(Host[1..], StringComparison.OrdinalIgnoreCase) && host.Length > Host.Length - 1
                : string.Equals(Bare(host), Host, StringComparison.OrdinalIgnoreCase);

        private static string Bare(string host) => host.Trim('[', ']').TrimEnd('.');
    }
}
