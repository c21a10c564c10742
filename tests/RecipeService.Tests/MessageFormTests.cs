using System.Text.Json;
using RecipeService.Analysis;
using RecipeService.Crawling;

namespace RecipeService.Tests;

/// <summary>The bodies as existing peers expect them, name by name.</summary>
public sealed class MessageFormTests
{
    [Fact]
    public void A_ping() => Assert.Equal(
        """{"action":"ping","timestamp":"2026-01-02T03:04:05Z","job_id":"7"}""",
        JsonSerializer.Serialize(
            new PingMessage(CrawlingWords.Ping, "2026-01-02T03:04:05Z", "7"),
            CrawlingMessagesJson.Default.PingMessage));

    [Fact]
    public void A_crawl() => Assert.Equal(
        """{"action":"crawl_url","url":"http://host/page","depth":2,"job_id":"7"}""",
        JsonSerializer.Serialize(
            new CrawlMessage(CrawlingWords.CrawlUrl, "http://host/page", 2, "7"),
            CrawlingMessagesJson.Default.CrawlMessage));

    [Fact]
    public void An_analysis() => Assert.Equal(
        """{"user_input":"soup"}""",
        JsonSerializer.Serialize(new AnalysisRequest("soup"), AnalysisMessagesJson.Default.AnalysisRequest));

    [Fact]
    public void An_image_is_a_string_of_json() => Assert.Equal(
        """{"s3_url":"http://host/dish.png","description":"soup"}""",
        JsonSerializer.Serialize(
            new ImageInput("http://host/dish.png", "soup"), AnalysisMessagesJson.Default.ImageInput));
}
