using System.Net;

namespace GuardedFetching;

/// <summary>What came back: a body, or the reason there is none.</summary>
/// <param name="Address">Where the body came from, after redirects.</param>
/// <param name="IsRefused">The rules forbid the address; it was not asked.</param>
/// <param name="Status">What the server answered; null when it did not.</param>
public sealed record Fetched(
    Uri Address, byte[] Body, string? MediaType, string? Charset, string? Error, bool IsRefused,
    HttpStatusCode? Status = null);

/// <summary>Fetches an address within the rules: every hop checked, size and time bounded. Thread-safe.</summary>
public sealed class GuardedFetcher(HttpClient http, FetchOptions options)
{
    private const int BufferSize = 16 * 1024;

    private readonly AddressRules _rules = new(options);

    public async Task<Fetched> FetchAsync(Uri address, int maxBytes, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(options.Timeout);
        try
        {
            return await FollowAsync(address, maxBytes, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return Failed(address, $"no answer within {options.Timeout.TotalSeconds:0.#} seconds");
        }
        catch (HttpRequestException exception) when (exception.InnerException is AddressRefusedException refused)
        {
            return Refused(address, refused.Message);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return Failed(address, exception.Message);
        }
    }

    private async Task<Fetched> FollowAsync(Uri address, int maxBytes, CancellationToken cancellationToken)
    {
        for (int hop = 0; hop <= options.MaxRedirects; hop++)
        {
            if (_rules.Refuse(address) is { } reason) return Refused(address, reason);
            using var request = new HttpRequestMessage(HttpMethod.Get, address);
            using var response = await http.SendAsync(
                request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            // A client that follows redirects by itself has gone past the rules.
            if (response.RequestMessage?.RequestUri is { } reached && reached != address
                && _rules.Refuse(reached) is { } passed)
                return Refused(reached, passed);
            if (!IsRedirect(response.StatusCode) || response.Headers.Location is not { } location)
                return await ReadAsync(address, response, maxBytes, cancellationToken);
            if (!Uri.TryCreate(address, location, out var next))
                return Failed(address, "the redirect leads to no address");
            address = next;
        }

        return Failed(address, $"more than {options.MaxRedirects} redirects");
    }

    private static async Task<Fetched> ReadAsync(
        Uri address, HttpResponseMessage response, int maxBytes, CancellationToken cancellationToken)
    {
        if (!response.IsSuccessStatusCode)
            return Failed(address, $"status {(int)response.StatusCode}") with { Status = response.StatusCode };
        string tooLarge = $"larger than {maxBytes} bytes";
        if (response.Content.Headers.ContentLength > maxBytes) return Failed(address, tooLarge);

        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        byte[] buffer = new byte[BufferSize];
        while (await stream.ReadAsync(buffer, cancellationToken) is var count and > 0)
        {
            // The length told before is only a promise, and compression hides the true one.
            if (body.Length + count > maxBytes) return Failed(address, tooLarge);
            body.Write(buffer, 0, count);
        }

        var type = response.Content.Headers.ContentType;
        return new Fetched(address, body.ToArray(), type?.MediaType, type?.CharSet, null, false, response.StatusCode);
    }

    private static bool IsRedirect(HttpStatusCode status) =>
        status is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
            or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;

    private static Fetched Failed(Uri address, string error) => new(address, [], null, null, error, false);

    private static Fetched Refused(Uri address, string reason) => new(address, [], null, null, reason, true);
}
