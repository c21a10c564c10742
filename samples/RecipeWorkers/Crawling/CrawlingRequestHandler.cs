using System.Text.Json;

namespace RecipeWorkers.Crawling;

/// <summary>One request of the crawling queue in, its updates and its final answer out. Thread-safe.</summary>
public sealed class CrawlingRequestHandler(RecipeCrawler crawler)
{
    private const int DefaultDepth = 1;

    /// <summary>
    /// Handles the request; <paramref name="send"/> is called for one message at a time, the final answer last.
    /// </summary>
    /// <exception cref="UnparsableRequestException">The body is no JSON object; a retry does not help. Nothing was
    /// sent.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before the final answer; a retry is
    /// sound.</exception>
    public async Task HandleAsync(
        ReadOnlyMemory<byte> body, Func<ReadOnlyMemory<byte>, ValueTask> send, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(send);
        using var request = Parse(body);
        var root = request.RootElement;
        var reply = new Reply(root.TryGetProperty("job_id", out var id) ? id : null, send);
        await (Text(root, "action") switch
        {
            "ping" => PingAsync(root, reply),
            "crawl_url" => CrawlAsync(root, reply, cancellationToken),
            null => reply.FailAsync(CrawlingResponse.StatusUpdate, "The request has no action."),
            var action => reply.FailAsync(CrawlingResponse.StatusUpdate, $"The action \"{action}\" is unknown."),
        });
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
            document.Dispose();
        }
        catch (JsonException exception)
        {
            throw new UnparsableRequestException("The request is not JSON.", exception);
        }

        throw new UnparsableRequestException("The request is not a JSON object.");
    }

    private static ValueTask PingAsync(JsonElement root, Reply reply)
    {
        var data = new PingData(root.TryGetProperty("timestamp", out var timestamp) ? timestamp : null);
        return reply.SendAsync(CrawlingResponse.StatusUpdate, CrawlingResponse.Done, JsonSerializer.SerializeToElement(
            data, CrawlJson.Default.PingData));
    }

    private async ValueTask CrawlAsync(JsonElement root, Reply reply, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(Text(root, "url"), UriKind.Absolute, out var url))
        {
            await reply.FailAsync(CrawlingResponse.CrawlResult, "url is no absolute address.");
            return;
        }

        if (!TryReadDepth(root, out int depth))
        {
            await reply.FailAsync(
                CrawlingResponse.CrawlResult, $"depth must be a whole number from 0 to {CrawlOptions.MaxDepth}.");
            return;
        }

        await reply.ProgressAsync(new CrawlProgress(0, 1, 0));
        var result = await crawler.CrawlAsync(new CrawlRequest(url, depth), reply.ProgressAsync, cancellationToken);
        if (result.Pages == 0)
            await reply.FailAsync(
                CrawlingResponse.CrawlResult,
                $"{url} could not be crawled: {(result.Refused.Count > 0 ? result.Refused[0].Reason : "no page")}.");
        else
            await reply.SendAsync(
                CrawlingResponse.CrawlResult,
                CrawlingResponse.Done,
                JsonSerializer.SerializeToElement(result, CrawlJson.Default.CrawlResult));
    }

    private static bool TryReadDepth(JsonElement root, out int depth)
    {
        depth = DefaultDepth;
        if (!root.TryGetProperty("depth", out var value) || value.ValueKind == JsonValueKind.Null) return true;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out depth)
            && depth is >= 0 and <= CrawlOptions.MaxDepth;
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Sends messages of one job.</summary>
    private sealed class Reply(JsonElement? jobId, Func<ReadOnlyMemory<byte>, ValueTask> send)
    {
        public ValueTask SendAsync(string action, string status, JsonElement? data)
            => SendAsync(new CrawlingResponse(action, jobId, status, data, null));

        public ValueTask FailAsync(string action, string message) => SendAsync(
            new CrawlingResponse(action, jobId, CrawlingResponse.Failed, null, new CrawlingError(message)));

        public ValueTask ProgressAsync(CrawlProgress progress) =>
            SendAsync(CrawlingResponse.StatusUpdate, CrawlingResponse.InProgress, JsonSerializer.SerializeToElement(
                progress, CrawlJson.Default.CrawlProgress));

        private ValueTask SendAsync(CrawlingResponse response)
            => send(JsonSerializer.SerializeToUtf8Bytes(response, CrawlJson.Default.CrawlingResponse));
    }
}
