using System.Text;
using System.Text.Json;
using GuardedFetching;
using RecipeWorkers.Crawling;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class CrawlingRequestHandlerTests
{
    [Fact]
    public async Task A_ping_is_answered_with_its_job_id_and_timestamp()
    {
        var answer = Assert.Single(
            await HandleAsync("""{"action":"ping","timestamp":"2026-01-02T03:04:05Z","job_id":"j1"}"""));
        Assert.Equal(
            """{"action":"task_status_update","job_id":"j1","status":"done","""
                + "\"data\":{\"timestamp\":\"2026-01-02T03:04:05Z\"},\"error\":null}",
            answer.GetRawText());
    }

    [Fact]
    public async Task A_crawl_sends_updates_and_the_result_last()
    {
        await using var server = await LocalServer.StartAsync(app => app.MapLocalPages());
        var answers = await HandleAsync(JsonSerializer.Serialize(
            new { action = "crawl_url", url = server.At(LocalPages.StartPath), depth = 2, job_id = 7 }));

        Assert.All(answers, answer => Assert.Equal(7, answer.GetProperty("job_id").GetInt32()));
        Assert.All(answers.SkipLast(1), answer => Assert.Equal(("task_status_update", "in_progress"), Kind(answer)));
        Assert.Equal(13, answers.Count - 1);

        var final = answers[^1];
        Assert.Equal(("crawl_result", "done"), Kind(final));
        Assert.Equal(JsonValueKind.Null, final.GetProperty("error").ValueKind);
        var data = final.GetProperty("data");
        Assert.Equal(["pages", "recipes", "refused"], data.EnumerateObject().Select(property => property.Name));
        Assert.Equal(12, data.GetProperty("pages").GetInt32());
        Assert.Equal(
            ["url", "name", "ingredients", "instructions", "yield", "totalTime"],
            data.GetProperty("recipes")[0].EnumerateObject().Select(property => property.Name));
    }

    [Theory]
    [InlineData("""{"action":"dance","job_id":"j"}""", "task_status_update", "\"dance\" is unknown")]
    [InlineData("""{"job_id":"j"}""", "task_status_update", "no action")]
    [InlineData("""{"action":"crawl_url","job_id":"j","url":"nowhere"}""", "crawl_result", "no absolute address")]
    [InlineData(
        """{"action":"crawl_url","job_id":"j","url":"http://localhost/","depth":6}""", "crawl_result", "from 0 to 5")]
    [InlineData(
        """{"action":"crawl_url","job_id":"j","url":"http://localhost/","depth":"two"}""",
        "crawl_result",
        "from 0 to 5")]
    public async Task What_cannot_be_done_is_answered_as_failed_with_the_reason(
        string request, string action, string message)
    {
        var answer = Assert.Single(await HandleAsync(request));
        Assert.Equal((action, "failed"), Kind(answer));
        Assert.Equal("j", answer.GetProperty("job_id").GetString());
        Assert.Contains(message, answer.GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public async Task A_start_page_that_is_refused_fails_the_job()
    {
        var answers = await HandleAsync(
            """{"action":"crawl_url","job_id":"j","url":"http://outside.example/","depth":1}""");
        Assert.Equal(("crawl_result", "failed"), Kind(answers[^1]));
        Assert.Contains("allow list", answers[^1].GetProperty("error").GetProperty("message").GetString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"action\":")]
    [InlineData("[]")]
    [InlineData("null")]
    public async Task What_is_no_request_is_told_apart_by_its_exception_and_nothing_is_sent(string body)
    {
        var sent = new List<JsonElement>();
        await Assert.ThrowsAsync<UnparsableRequestException>(() => HandleAsync(body, sent));
        Assert.Empty(sent);
    }

    private static (string? Action, string? Status) Kind(JsonElement answer)
        => (answer.GetProperty("action").GetString(), answer.GetProperty("status").GetString());

    private static async Task<List<JsonElement>> HandleAsync(string body, List<JsonElement>? sent = null)
    {
        sent ??= [];
        var fetching = new FetchOptions();
        using var http = GuardedHttp.CreateClient(fetching);
        var handler = new CrawlingRequestHandler(new RecipeCrawler(
            http, fetching, new CrawlOptions { PauseBetweenRequests = TimeSpan.Zero }, TimeProvider.System));
        await handler.HandleAsync(
            Encoding.UTF8.GetBytes(body),
            message =>
            {
                sent.Add(JsonSerializer.Deserialize<JsonElement>(message.Span));
                return ValueTask.CompletedTask;
            },
            TestContext.Current.CancellationToken);
        return sent;
    }
}
