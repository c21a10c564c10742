using System.Text.Json;
using System.Text.Json.Serialization;

namespace RecipeWorkers.Crawling;

/// <summary>Where to begin, and how many links deep to go: 0 is the page alone.</summary>
public sealed record CrawlRequest(Uri Url, int Depth);

/// <summary>How far a crawl is.</summary>
public sealed record CrawlProgress(int PagesDone, int PagesQueued, int RecipesFound);

/// <summary>A recipe as its page describes it; yield and time as written there (time in ISO 8601).</summary>
public sealed record CrawledRecipe(
    string Url,
    string Name,
    IReadOnlyList<string> Ingredients,
    IReadOnlyList<string> Instructions,
    string? Yield,
    [property: JsonPropertyName("totalTime")] string? TotalTime);

/// <summary>An address left out, and why: against the rules, or not to be had.</summary>
public sealed record RefusedAddress(string Url, string Reason);

/// <summary>What a crawl brought: the number of pages read, the recipes on them, the addresses left out.</summary>
public sealed record CrawlResult(
    int Pages, IReadOnlyList<CrawledRecipe> Recipes, IReadOnlyList<RefusedAddress> Refused);

internal sealed record CrawlingError(string Message);

/// <summary>One message of the response queue. The job id goes back as it came, text or number.</summary>
internal sealed record CrawlingResponse(
    string Action, JsonElement? JobId, string Status, JsonElement? Data, CrawlingError? Error)
{
    public const string StatusUpdate = "task_status_update";
    public const string CrawlResult = "crawl_result";
    public const string Done = "done";
    public const string Failed = "failed";
    public const string InProgress = "in_progress";
}

internal sealed record PingData(JsonElement? Timestamp);

/// <summary>JSON of the crawling messages.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(CrawlingResponse))]
[JsonSerializable(typeof(CrawlResult))]
[JsonSerializable(typeof(CrawlProgress))]
[JsonSerializable(typeof(PingData))]
internal sealed partial class CrawlJson : JsonSerializerContext;
