using System.Net;
using System.Net.Sockets;

namespace GuardedFetching;

/// <summary>Makes the HTTP client for addresses that strangers hand in.</summary>
public static class GuardedHttp
{
    /// <summary>
    /// A client that connects only where <see cref="AddressRules"/> lets it; the caller disposes of it.
    /// </summary>
    public static HttpClient CreateClient(FetchOptions options)
    {
        var client = new HttpClient(CreateHandler(options)) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.ParseAdd(options.UserAgent);
        return client;
    }

    /// <summary>
    /// The handler of such a client; redirects are left to <see cref="GuardedFetcher"/>, which checks each of them.
    /// </summary>
    public static SocketsHttpHandler CreateHandler(FetchOptions options)
    {
        var rules = new AddressRules(options);
        return new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.All,
            UseCookies = false,
            UseProxy = false,
            ConnectTimeout = options.Timeout,
            ConnectCallback = (context, token) => ConnectAsync(rules, context.DnsEndPoint, token),
        };
    }

    // Checked here and connected to the address just checked: asked again, DNS could answer otherwise.
    private static async ValueTask<Stream> ConnectAsync(
        AddressRules rules, DnsEndPoint target, CancellationToken cancellationToken)
    {
        var addresses = await Dns.GetHostAddressesAsync(target.Host, cancellationToken);
        var refusals = addresses.Select(address => rules.Refuse(target.Host, address)).OfType<string>().ToList();
        // One bad address spoils the name: which one is tried first is not ours to bet on.
        if (refusals.Count > 0) throw new AddressRefusedException(refusals[0]);

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, target.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}

/// <summary>The host led to an address that must not be asked.</summary>
public sealed class AddressRefusedException(string message) : IOException(message);
