using Microsoft.Extensions.Configuration;

namespace RecipeService.Tests;

public sealed class SettingsTests
{
    [Fact]
    public void The_defaults_are_those_of_the_system()
    {
        var settings = Read();
        Assert.Equal("amqp://guest:guest@localhost:5672/", settings.BrokerUrl);
        Assert.Equal("crawling_request_queue", settings.CrawlingRequestQueue);
        Assert.Equal("crawling_response_queue", settings.CrawlingResponseQueue);
        Assert.Equal("recipe_analysis_request", settings.AnalysisQueue);
        Assert.Equal(TimeSpan.FromSeconds(100), settings.AnalysisTimeout);
        Assert.Equal(TimeSpan.FromSeconds(30), settings.CrawlingTimeout);
        Assert.Null(settings.QueueExpiry);
    }

    [Fact]
    public void Each_is_set_by_its_name()
    {
        var settings = Read(
            ("RABBITMQ_URL", "amqp://a:b@host/"), ("RABBITMQ_CRAWLING_REQUEST_QUEUE", "q1"),
            ("RABBITMQ_CRAWLING_RESPONSE_QUEUE", "q2"),
            ("AI_QUEUE_NAME", "q3"), ("AI_TIMEOUT_SECONDS", "1.5"), ("CRAWLING_TIMEOUT_SECONDS", "2"),
            ("CRAWLING_JOBS_KEPT", "9"));
        Assert.Equal("amqp://a:b@host/", settings.BrokerUrl);
        Assert.Equal(
            ("q1", "q2", "q3"),
            (settings.CrawlingRequestQueue, settings.CrawlingResponseQueue, settings.AnalysisQueue));
        Assert.Equal(TimeSpan.FromSeconds(1.5), settings.AnalysisTimeout);
        Assert.Equal(TimeSpan.FromSeconds(2), settings.CrawlingTimeout);
        Assert.Equal(9, settings.JobsKept);
    }

    [Theory]
    [InlineData("AI_TIMEOUT_SECONDS", "soon")]
    [InlineData("AI_TIMEOUT_SECONDS", "-1")]
    [InlineData("CRAWLING_JOBS_KEPT", "0")]
    public void A_wrong_one_is_named_at_the_start(string name, string value)
        => Assert.Contains(
            name,
            Assert.Throws<InvalidOperationException>(() => Read((name, value))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void The_broker_with_its_password_is_not_printed()
        => Assert.DoesNotContain(
            "secret", Read(("RABBITMQ_URL", "amqp://me:secret@host/")).ToString(), StringComparison.Ordinal);

    private static RecipeSettings Read(params (string Name, string Value)[] settings) => RecipeSettings.From(
        new ConfigurationBuilder()
            .AddInMemoryCollection(settings.ToDictionary(s => s.Name, s => (string?)s.Value)).Build());
}
