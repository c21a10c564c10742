using System.Text.Json.Serialization;
using RecipeService.Analysis;
using RecipeService.Crawling;
using RecipeService.Status;

namespace RecipeService;

/// <summary>The JSON of the HTTP side. Names are those of the queues' side: snake_case.</summary>
[JsonSourceGenerationOptions(
    System.Text.Json.JsonSerializerDefaults.Web, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(AnalyzeRecipeRequest))]
[JsonSerializable(typeof(AnalyzeImageRequest))]
[JsonSerializable(typeof(AnalysisResponse))]
[JsonSerializable(typeof(AnalysisResult))]
[JsonSerializable(typeof(CrawlRequest))]
[JsonSerializable(typeof(CrawlAccepted))]
[JsonSerializable(typeof(CrawlResponse))]
[JsonSerializable(typeof(PingResponse))]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(StatusReport))]
internal sealed partial class ApiJson : JsonSerializerContext;
