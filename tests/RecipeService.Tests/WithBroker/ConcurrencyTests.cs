using System.Net;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

public sealed class ConcurrencyTests(Broker broker)
{
    private static readonly string[] Dishes = ["pancakes", "tomato soup", "shakshuka", "carbonara", "banana bread"];

    [Theory]
    [InlineData(10)]
    [InlineData(50)]
    public async Task So_many_clients_at_once_on_both_services_each_get_their_own_answers(int clients)
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(
            broker.Uri, ["ai", "crawler"], ("CRAWL_PAUSE_MILLISECONDS", "0"),
            ("CRAWLING_TIMEOUT_SECONDS", "90")); // one crawler for all, on a machine that may be busy

        string[][] jobs = await Task.WhenAll(
            Enumerable.Range(1, clients).Select(client => Task.Run(() => AskAllAsync(system.Service, site, client))));

        Assert.Equal(clients * 3, jobs.SelectMany(ids => ids).Distinct().Count());
        var status = await system.Service.GetAsync("/api/status");
        Assert.Equal("True", status["ready"]);
        Assert.All(status.Body.GetProperty("links").EnumerateArray(), link =>
        {
            Assert.Equal("open", link.GetProperty("state").GetString());
            Assert.Equal(1, link.GetProperty("epoch").GetInt32()); // no connection was lost on the way
            Assert.Equal(0, link.GetProperty("pending_calls").GetInt32());
        });
    }

    private static async Task<string[]> AskAllAsync(RunningService service, Site site, int client)
    {
        string page = $"{site.Page("tomato-soup.html")}?client={client}";
        string dish = Dishes[client % Dishes.Length];

        var ping = service.PostAsync("/api/crawling/ping");
        var begun = service.PostAsync("/api/crawling/crawl", new { url = page, depth = 0 });
        var crawl = service.PostAsync("/api/crawling/crawl/sync", new { url = page, depth = 0 });
        var recipe = service.PostAsync(
            "/api/ai/analyze-recipe", new { user_input = $"{dish}: {client} g flour, 2 eggs" });
        var image = service.PostAsync(
            "/api/ai/analyze-image",
            new { s3_url = $"{site.Image}?client={client}", description = $"{dish}: {1000 + client} g sugar, 2 eggs" });

        Assert.Equal(HttpStatusCode.OK, (await ping).Status);
        Assert.Equal(HttpStatusCode.Accepted, (await begun).Status);
        Assert.Equal(HttpStatusCode.OK, (await crawl).Status);
        Assert.Equal(
            page, (await crawl).Body.GetProperty("data").GetProperty("recipes")[0].GetProperty("url").GetString());
        CheckAnalysis(await recipe, dish, "flour", client);
        CheckAnalysis(await image, dish, "sugar", 1000 + client);

        string location = (await begun)["location"]!;
        await Until.TrueAsync(
            async () => (await service.GetAsync(location))["status"] == "done",
            $"job {location} is done");
        return [(await ping)["job_id"]!, (await begun)["job_id"]!, (await crawl)["job_id"]!];
    }

    private static void CheckAnalysis(Answer answer, string dish, string ingredient, double quantity)
    {
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        var result = answer.Body.GetProperty("result");
        Assert.Equal(dish, result.GetProperty("dish").GetString(), ignoreCase: true);
        Assert.Contains(result.GetProperty("recipe").GetProperty("ingredients").EnumerateArray(),
            one => one.GetProperty("name").GetString() == ingredient
                && one.GetProperty("quantity").GetDouble() == quantity);
    }
}
