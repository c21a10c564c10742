using System.Globalization;
using System.Text.Json.Nodes;

namespace RecipeDemo;

/// <summary>One request of each kind, and what came back, for the eye.</summary>
internal static class Examples
{
    // Above the numbers of the crowd's requests.
    private const int Number = 300;

    public static async Task ShowAsync(Client client, CancellationToken cancellationToken)
    {
        Console.WriteLine("One of each:");
        Console.WriteLine();

        var ping = await client.PingAsync(cancellationToken);
        Print(
            "ping the crawler",
            $"job {ping?["job_id"]}: {ping?["status"]}, over the broker and back in {ping?["round_trip_ms"]} ms");

        var job = await client.BeginAndFollowAsync(Number, cancellationToken);
        Print("begin a crawl, then look", $"job {job?["job_id"]}: {job?["status"]} after {job?["updates"]} messages");

        Print("crawl and wait", Describe(await client.CrawlAsync(Number + 1, cancellationToken)));
        Print(
            $"analyse \"{Client.RecipeText(Number + 2)}\"",
            Analysis(await client.AnalyzeRecipeAsync(Number + 2, cancellationToken)));
        Print("analyse an image", Analysis(await client.AnalyzeImageAsync(Number + 3, cancellationToken)));
    }

    private static string Describe(JsonNode? crawl)
    {
        var recipe = crawl?["data"]?["recipes"]?[0];
        return $"job {crawl?["job_id"]}: \"{recipe?["name"]}\", {recipe?["ingredients"]?.AsArray().Count} ingredients";
    }

    private static string Analysis(JsonNode? answer)
    {
        var result = answer?["result"];
        var ingredients = result?["recipe"]?["ingredients"]?.AsArray().Select(one =>
            string.Create(CultureInfo.InvariantCulture, $"{one?["quantity"]} {one?["unit"]} {one?["name"]}").Trim())
                ?? [];
        return $"{result?["dish"]}: {string.Join(" | ", ingredients)}";
    }

    private static void Print(string asked, string answered)
    {
        Console.WriteLine($"  {asked}");
        Console.WriteLine($"    -> {answered}");
    }
}
