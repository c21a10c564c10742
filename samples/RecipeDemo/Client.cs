using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace RecipeDemo;

/// <summary>
/// One of the clients: asks each endpoint, times the answer and looks whether it is the one to its own request.
/// </summary>
internal sealed class Client(HttpClient http, Site site, Measurements measurements, JobIds jobIds)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly string[] Dishes = [
        "pancakes", "tomato soup", "shakshuka", "carbonara", "banana bread", "omelette", "risotto"];

    /// <summary>Every request once; the number makes each of them unlike all others.</summary>
    public async Task RoundAsync(int number, CancellationToken cancellationToken)
    {
        await PingAsync(cancellationToken);
        await BeginAndFollowAsync(number, cancellationToken);
        await CrawlAsync(number, cancellationToken);
        await AnalyzeRecipeAsync(number, cancellationToken);
        await AnalyzeImageAsync(number, cancellationToken);
    }

    public Task<JsonNode?> PingAsync(CancellationToken cancellationToken)
        => AskAsync(
            Endpoints.Ping, 200, "/api/crawling/ping", new JsonObject(), answer => Text(answer, "status") == "done"
            ? jobIds.Take(Text(answer, "job_id"))
            : "the ping is not done", cancellationToken);

    public async Task<JsonNode?> BeginAndFollowAsync(int number, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var accepted = await AskAsync(Endpoints.Begin, 202, "/api/crawling/crawl", CrawlOf(number),
            answer => jobIds.Take(Text(answer, "job_id")), cancellationToken);
        if (accepted is null)
            return null;

        JsonNode? job;
        while ((job = await http.GetFromJsonAsync<JsonNode>(Text(accepted, "location"), cancellationToken)) is not null
            && Text(job, "status") is "queued" or "in_progress")
            await Task.Delay(LookEvery, cancellationToken);
        string? failure = Text(job, "job_id") != Text(accepted, "job_id") ? "the state is that of another job"
            : CheckCrawl(job, number);
        measurements.Add(Endpoints.Job, Stopwatch.GetElapsedTime(start), failure);
        return job;
    }

    public Task<JsonNode?> CrawlAsync(int number, CancellationToken cancellationToken)
        => AskAsync(Endpoints.Crawl, 200, "/api/crawling/crawl/sync", CrawlOf(number),
            answer => jobIds.Take(Text(answer, "job_id")) ?? CheckCrawl(answer, number), cancellationToken);

    public Task<JsonNode?> AnalyzeRecipeAsync(int number, CancellationToken cancellationToken)
        => AskAsync(
            Endpoints.Recipe, 200, "/api/ai/analyze-recipe", new JsonObject { ["user_input"] = RecipeText(number) },
            answer => CheckAnalysis(answer, number), cancellationToken);

    public Task<JsonNode?> AnalyzeImageAsync(int number, CancellationToken cancellationToken)
        => AskAsync(Endpoints.Image, 200, "/api/ai/analyze-image",
            new JsonObject { ["s3_url"] = site.Image(number), ["description"] = RecipeText(number) },
            answer => CheckAnalysis(answer, number), cancellationToken);

    /// <summary>A recipe with an amount of flour that no other request names.</summary>
    public static string RecipeText(int number) => $"I want to cook {DishOf(number)} for 4 people with {number} "
        + "g flour, 2 eggs, half a litre of milk and a pinch of salt";

    public static string DishOf(int number) => Dishes[number % Dishes.Length];

    private JsonObject CrawlOf(int number) => new() { ["url"] = site.Page(number), ["depth"] = 0 };

    private string? CheckCrawl(JsonNode? answer, int number)
        => Text(answer, "status") != "done" ? $"the crawl is {Text(answer, "status")}"
            : Text(answer?["data"]?["recipes"]?[0], "url") != site.Page(number) ? "the recipe is that of another page"
            : null;

    private static string? CheckAnalysis(JsonNode answer, int number)
    {
        var result = answer["result"];
        if (!string.Equals(Text(result, "dish"), DishOf(number), StringComparison.OrdinalIgnoreCase))
            return $"the dish is {Text(result, "dish")}, asked was {DishOf(number)}";
        var flour = result?["recipe"]?["ingredients"]?.AsArray().FirstOrDefault(one => Text(one, "name") == "flour");
        return flour?["quantity"]?.GetValue<double>() == number ? null : "the flour is that of another request, "
            + $"or none: {flour?.ToJsonString()}";
    }

    private async Task<JsonNode?> AskAsync(
        string endpoint, int expected, string path, JsonObject content, Func<JsonNode, string?> check,
        CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        using var response = await http.PostAsJsonAsync(path, content, cancellationToken);
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellationToken));
        var elapsed = Stopwatch.GetElapsedTime(start);

        string? failure = (int)response.StatusCode != expected || answer is null
            ? $"status {(int)response.StatusCode}: {Text(answer, "title")} {Text(answer, "detail")}"
            : check(answer);
        measurements.Add(endpoint, elapsed, failure);
        return failure is null ? answer : null;
    }

    private static string? Text(JsonNode? node, string name) => node?[name]?.ToString();
}
