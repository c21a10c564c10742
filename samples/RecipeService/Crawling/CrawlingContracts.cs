using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using RecipeService.Http;

namespace RecipeService.Crawling;

/// <summary>A page to crawl.</summary>
public sealed record CrawlRequest
{
    /// <summary>The page.</summary>
    [Required, StringLength(2048), WebAddress("http", "https")]
    [Description("The page to begin with: an http or https address.")]
    public string? Url { get; init; }

    /// <summary>How many links deep.</summary>
    [Range(0, 5)]
    [Description("How many links deep to follow. Default: 1.")]
    public int? Depth { get; init; }
}

/// <summary>The crawler's sign of life.</summary>
public sealed record PingResponse(
    string JobId, string Status, JsonElement? Data,
    [property: Description("From the request to the answer, over the broker and back.")] double RoundTripMs);

/// <summary>A crawl that was begun.</summary>
public sealed record CrawlAccepted(string JobId, string Status, string Location);

/// <summary>A crawl that was waited for.</summary>
public sealed record CrawlResponse(string JobId, string Action, string Status, JsonElement? Data);

/// <summary>What is known of a job.</summary>
public sealed record Job
{
    /// <summary>Its id.</summary>
    public required string JobId { get; init; }

    /// <summary><c>queued</c>, <c>in_progress</c>, <c>done</c> or <c>failed</c>.</summary>
    [Description("queued, in_progress, done or failed")]
    public required string Status { get; init; }

    /// <summary>The page it began with; null when the job was begun before this service started.</summary>
    public string? Url { get; init; }

    /// <summary>When it was begun, or first heard of.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it was last heard of.</summary>
    public required DateTimeOffset UpdatedAt { get; init; }

    /// <summary>How many messages came from the crawler.</summary>
    public int Updates { get; init; }

    /// <summary>What the crawler sent last.</summary>
    public JsonElement? Data { get; init; }

    /// <summary>Why it failed.</summary>
    public CrawlingError? Error { get; init; }
}
