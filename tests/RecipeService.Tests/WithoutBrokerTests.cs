using System.Net;
using System.Text;
using RecipeService.Tests.Support;

namespace RecipeService.Tests;

/// <summary>
/// The service while its broker is away from the beginning: it starts, says so, and does all that needs no broker.
/// </summary>
public sealed class WithoutBrokerTests : IAsyncLifetime
{
    private RunningService? _service;

    private RunningService Service => _service!;

    // Nothing listens on port 1.
    public async ValueTask InitializeAsync()
        => _service = await RunningService.StartAsync(new Dictionary<string, string?>
        {
            ["RABBITMQ_URL"] = "amqp://guest:hidden-password@127.0.0.1:1/",
            ["BROKER_GRACE_SECONDS"] = "0.1",
        });

    public ValueTask DisposeAsync() => Service.DisposeAsync();

    [Theory]
    [InlineData("/api/crawling/ping", null)]
    [InlineData("/api/crawling/crawl", """{"url":"http://127.0.0.1/"}""")]
    [InlineData("/api/crawling/crawl/sync", """{"url":"http://127.0.0.1/"}""")]
    [InlineData("/api/ai/analyze-recipe", """{"user_input":"soup with 1 onion"}""")]
    [InlineData("/api/ai/analyze-image", """{"s3_url":"http://127.0.0.1/dish.png","description":"soup"}""")]
    public async Task Whatever_needs_the_broker_is_503_and_safe_to_repeat(string path, string? body)
    {
        var answer = await PostTextAsync(path, body);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
        Assert.Equal("urn:recipe-service:problem:broker-away", answer["type"]);
        Assert.Equal("not_sent", answer["outcome"]);
        Assert.Equal("True", answer["safe_to_repeat"]);
        Assert.NotNull(answer.RetryAfter);
    }

    [Fact]
    public async Task It_is_alive_but_not_ready()
    {
        Assert.Equal(HttpStatusCode.OK, (await Service.GetAsync("/health/live")).Status);
        Answer ready = await Service.GetAsync("/health/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.Status);
        await Until.TrueAsync(
            async () => (await Service.GetAsync("/health/ready")).Body.ToString().Contains(
                "ConnectionRefused", StringComparison.Ordinal),
            "readiness says why");
        ready = await Service.GetAsync("/health/ready");
        Assert.StartsWith("Unhealthy: send link ", ready.Body.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hidden-password", ready.Body.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_status_shows_both_links_and_no_password()
    {
        var status = await Service.GetAsync("/api/status");

        Assert.Equal("False", status["ready"]);
        Assert.Equal(
            ["send", "receive"],
            status.Body.GetProperty("links").EnumerateArray().Select(link => link.GetProperty("name").GetString()));
        Assert.DoesNotContain("hidden-password", status.Body.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(Service.Lines.All, line => line.Contains("hidden-password", StringComparison.Ordinal));
    }

    [Fact]
    public void The_operator_finds_the_line_of_the_io_thread()
        => Assert.Contains("RabbitMQ-IO-Thread started", Service.Lines.All);

    [Theory]
    [InlineData("/api/ai/analyze-recipe", "{}", "user_input")]
    [InlineData("/api/ai/analyze-recipe", """{"user_input":"   "}""", "user_input")]
    [InlineData("/api/ai/analyze-image", """{"description":"soup"}""", "s3_url")]
    [InlineData("/api/ai/analyze-image", """{"s3_url":"ftp://host/dish.png"}""", "s3_url")]
    [InlineData("/api/ai/analyze-image", """{"s3_url":"/dish.png"}""", "s3_url")]
    [InlineData("/api/crawling/crawl", "{}", "url")]
    [InlineData("/api/crawling/crawl", """{"url":"file:///etc/passwd"}""", "url")]
    [InlineData("/api/crawling/crawl/sync", """{"url":"http://me:word@host/"}""", "url")]
    [InlineData("/api/crawling/crawl/sync", """{"url":"http://host/","depth":6}""", "depth")]
    [InlineData("/api/crawling/crawl/sync", """{"url":"http://host/","depth":-1}""", "depth")]
    public async Task Input_that_is_not_valid_is_400_and_names_the_field(string path, string body, string field)
    {
        var answer = await PostTextAsync(path, body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
        Assert.Equal(field, Assert.Single(answer.Body.GetProperty("errors").EnumerateObject()).Name);
    }

    [Fact]
    public async Task A_text_that_is_too_long_is_400()
        => Assert.Equal(
            HttpStatusCode.BadRequest,
            (await Service.PostAsync("/api/ai/analyze-recipe", new { user_input = new string('x', 20_001) })).Status);

    [Theory]
    [InlineData("{\"user_input\":")]
    [InlineData("[]")]
    [InlineData("""{"user_input":7}""")]
    [InlineData("")]
    public async Task A_body_that_is_not_of_the_form_is_400(string body)
    {
        var answer = await PostTextAsync("/api/ai/analyze-recipe", body);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_413()
        => Assert.Equal(
            HttpStatusCode.RequestEntityTooLarge,
            (await PostTextAsync("/api/ai/analyze-recipe", new string('x', 300_000))).Status);

    [Fact]
    public async Task A_job_that_is_not_known_is_404()
        => Assert.Equal(HttpStatusCode.NotFound, (await Service.GetAsync("/api/crawling/jobs/none")).Status);

    [Fact]
    public async Task The_page_is_served_and_loads_nothing_from_elsewhere()
    {
        using var response = await Service.Http.GetAsync("/", TestContext.Current.CancellationToken);
        string page = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        Assert.Equal("text/html", response.Content.Headers.ContentType?.MediaType);
        Assert.Contains(
            "default-src 'self'",
            response.Headers.GetValues("Content-Security-Policy").Single(),
            StringComparison.Ordinal);
        Assert.DoesNotContain("src=\"http", page, StringComparison.Ordinal);
        foreach (string? part in new[] { "style.css", "app.js", "links.js", "view.js", "icon.svg" })
            Assert.Equal(HttpStatusCode.OK, (await Service.GetAsync($"/{part}")).Status);
    }

    [Fact]
    public async Task The_open_api_document_lists_every_endpoint()
    {
        var paths = (await Service.GetAsync("/openapi/v1.json")).Body.GetProperty("paths");
        var listed = paths.EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject(), (path, verb) => $"{verb.Name} {path.Name}");

        Assert.Equal(
            [
                "get /api/crawling/jobs/{job_id}", "get /api/crawling/ping", "get /api/status",
                "post /api/ai/analyze-image",
                "post /api/ai/analyze-recipe", "post /api/crawling/crawl", "post /api/crawling/crawl/sync",
                "post /api/crawling/ping",
            ],
            listed.Order(StringComparer.Ordinal));
        var request = paths.GetProperty("/api/ai/analyze-recipe").GetProperty("post");
        foreach (string? status in new[] { "200", "400", "422", "503", "504" })
            Assert.True(request.GetProperty("responses").TryGetProperty(status, out _), status);
    }

    private async Task<Answer> PostTextAsync(string path, string? body)
    {
        using var content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        return await Answer.OfAsync(await Service.Http.PostAsync(path, content, TestContext.Current.CancellationToken));
    }
}
