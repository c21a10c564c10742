using System.Text.Json;
using System.Text.Json.Serialization;

namespace RecipeService.Crawling;

/// <summary>Asks the crawler for a sign of life.</summary>
internal sealed record PingMessage(string Action, string Timestamp, string JobId);

/// <summary>Asks the crawler for a page and what it links to.</summary>
internal sealed record CrawlMessage(string Action, string Url, int Depth, string JobId);

/// <summary>What the crawler says about a job.</summary>
internal sealed record CrawlingAnswer
{
    public required string Action { get; init; }
    public required string JobId { get; init; }
    public required string Status { get; init; }
    public JsonElement? Data { get; init; }
    public CrawlingError? Error { get; init; }
}

/// <summary>Why a job failed.</summary>
public sealed record CrawlingError(string? Message);

/// <summary>The words of the protocol.</summary>
internal static class CrawlingWords
{
    public const string Ping = "ping";
    public const string CrawlUrl = "crawl_url";
    public const string CrawlResult = "crawl_result";
    public const string StatusUpdate = "task_status_update";

    public const string Done = "done";
    public const string Failed = "failed";
    public const string InProgress = "in_progress";

    /// <summary>The status of a job of which nothing was heard yet. Never on the wire.</summary>
    public const string Queued = "queued";

    /// <summary>Whether nothing more comes after this status.</summary>
    public static bool IsFinal(string status) => status is Done or Failed;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(PingMessage))]
[JsonSerializable(typeof(CrawlMessage))]
[JsonSerializable(typeof(CrawlingAnswer))]
internal sealed partial class CrawlingMessagesJson : JsonSerializerContext;
