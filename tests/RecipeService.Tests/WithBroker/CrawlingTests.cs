using System.Net;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

public sealed class CrawlingTests(Broker broker)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_ping_comes_back_with_its_job_id(bool post)
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["crawler"]);

        var answer = post
            ? await system.Service.PostAsync("/api/crawling/ping")
            : await system.Service.GetAsync("/api/crawling/ping");

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("done", answer["status"]);
        Assert.True(Guid.TryParse(answer["job_id"], out _));
        Assert.Contains($"Crawling response received: job_id={answer["job_id"]} status=done", system.Service.Lines.All);
    }

    [Fact]
    public async Task A_crawl_that_is_waited_for_brings_the_recipe_of_its_page()
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["crawler"]);

        var answer = await system.Service.PostAsync(
            "/api/crawling/crawl/sync", new { url = site.Page("tomato-soup.html"), depth = 0 });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("crawl_result", answer["action"]); // not one of the updates that came before it
        var recipe = Assert.Single(answer.Body.GetProperty("data").GetProperty("recipes").EnumerateArray());
        Assert.Equal(site.Page("tomato-soup.html"), recipe.GetProperty("url").GetString());
    }

    [Fact]
    public async Task A_crawl_that_is_not_waited_for_is_accepted_at_once_and_found_by_its_job_id()
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(broker.Uri, []);

        var accepted = await system.Service.PostAsync("/api/crawling/crawl", new { url = site.Start, depth = 1 });
        Assert.Equal(HttpStatusCode.Accepted, accepted.Status);
        Assert.Equal($"/api/crawling/jobs/{accepted["job_id"]}", accepted.Location?.ToString());
        // there is no crawler yet
        Assert.Equal("queued", (await system.Service.GetAsync(accepted["location"]!))["status"]);

        await system.StartWorkerAsync("crawler");
        await Until.TrueAsync(
            async () => (await system.Service.GetAsync(accepted["location"]!))["status"] == "done", "the job is done");
        var job = await system.Service.GetAsync(accepted["location"]!);
        Assert.True(job.Body.GetProperty("updates").GetInt32() > 2, "its progress came, too");
        Assert.True(job.Body.GetProperty("data").GetProperty("pages").GetInt32() > 1);
        Assert.Equal(site.Start, job["url"]);
    }

    [Fact]
    public async Task A_page_that_cannot_be_had_is_502_with_the_crawlers_reason_and_the_job()
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["crawler"]);

        var answer = await system.Service.PostAsync(
            "/api/crawling/crawl/sync", new { url = site.Page("none.html"), depth = 0 });

        Assert.Equal(HttpStatusCode.BadGateway, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
        Assert.Contains("none.html", answer["detail"], StringComparison.Ordinal);
        Assert.Equal("failed", (await system.Service.GetAsync($"/api/crawling/jobs/{answer["job_id"]}"))["status"]);
    }

    [Fact]
    public async Task A_crawl_whose_answer_is_late_is_504_and_its_result_is_found_afterwards()
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(broker.Uri, [], ("CRAWLING_TIMEOUT_SECONDS", "3"));
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var requests = await peer.TakeAsync(system["RABBITMQ_CRAWLING_REQUEST_QUEUE"]);

        var answer = await system.Service.PostAsync("/api/crawling/crawl/sync", new { url = site.Start, depth = 0 });
        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.Status);
        Assert.Equal("confirmed", answer["outcome"]);
        Assert.Equal("False", answer["safe_to_repeat"]);
        string job = answer["job_id"]!;

        await requests.WaitForAsync(message => message.Contains(job, StringComparison.Ordinal));
        await peer.SendAsync(system["RABBITMQ_CRAWLING_RESPONSE_QUEUE"],
            $$"""{"action":"crawl_result","job_id":"{{job}}","status":"done","data":{"pages":1},"error":null}""");
        await Until.TrueAsync(
            async () => (await system.Service.GetAsync($"/api/crawling/jobs/{job}"))["status"] == "done",
            "the late result is taken in");
    }
}
