using SampleSettings;

namespace RecipeService;

/// <summary>The service's settings, read once from the environment (or any other source of configuration).</summary>
public sealed record RecipeSettings
{
    /// <summary>The broker: <c>RABBITMQ_URL</c>. Never logged, for it carries the password.</summary>
    public string BrokerUrl { get; init; } = "amqp://guest:guest@localhost:5672/";

    /// <summary>Whether a broker may be reached over TLS only: <c>RABBITMQ_REQUIRE_TLS</c>.</summary>
    public bool RequireTls { get; init; }

    /// <summary>The queue of crawling requests: <c>RABBITMQ_CRAWLING_REQUEST_QUEUE</c>.</summary>
    public string CrawlingRequestQueue { get; init; } = "crawling_request_queue";

    /// <summary>The queue of crawling answers: <c>RABBITMQ_CRAWLING_RESPONSE_QUEUE</c>.</summary>
    public string CrawlingResponseQueue { get; init; } = "crawling_response_queue";

    /// <summary>The queue of analysis requests: <c>AI_QUEUE_NAME</c>.</summary>
    public string AnalysisQueue { get; init; } = "recipe_analysis_request";

    /// <summary>How long an analysis may take: <c>AI_TIMEOUT_SECONDS</c>.</summary>
    public TimeSpan AnalysisTimeout { get; init; } = TimeSpan.FromSeconds(100);

    /// <summary>How long a ping or a crawl that is waited for may take: <c>CRAWLING_TIMEOUT_SECONDS</c>.</summary>
    public TimeSpan CrawlingTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long a request waits for a broker that is away before it fails, and the start for its queues:
    /// <c>BROKER_GRACE_SECONDS</c>.
    /// </summary>
    public TimeSpan BrokerGrace { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How many crawling jobs are remembered: <c>CRAWLING_JOBS_KEPT</c>.</summary>
    public int JobsKept { get; init; } = 1000;

    /// <summary>
    /// After how long without use the queues go, for demonstrations and tests: <c>QUEUE_EXPIRES_SECONDS</c>. Service
    /// and workers must agree.
    /// </summary>
    public TimeSpan? QueueExpiry { get; init; }

    /// <summary>Names the queues; never the broker's address, which carries the password.</summary>
    public override string ToString() => $"queues {CrawlingRequestQueue}, {CrawlingResponseQueue}, {AnalysisQueue}";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting, never its
    /// value.</exception>
    public static RecipeSettings From(IConfiguration configuration)
    {
        var read = new SettingReader(name => configuration[name]);
        var defaults = new RecipeSettings();
        return new RecipeSettings
        {
            BrokerUrl = read.Text("RABBITMQ_URL", defaults.BrokerUrl),
            RequireTls = read.Flag("RABBITMQ_REQUIRE_TLS"),
            CrawlingRequestQueue = read.Text("RABBITMQ_CRAWLING_REQUEST_QUEUE", defaults.CrawlingRequestQueue),
            CrawlingResponseQueue = read.Text("RABBITMQ_CRAWLING_RESPONSE_QUEUE", defaults.CrawlingResponseQueue),
            AnalysisQueue = read.Text("AI_QUEUE_NAME", defaults.AnalysisQueue),
            AnalysisTimeout = read.Seconds("AI_TIMEOUT_SECONDS", defaults.AnalysisTimeout),
            CrawlingTimeout = read.Seconds("CRAWLING_TIMEOUT_SECONDS", defaults.CrawlingTimeout),
            BrokerGrace = read.Seconds("BROKER_GRACE_SECONDS", defaults.BrokerGrace),
            JobsKept = read.Whole("CRAWLING_JOBS_KEPT", defaults.JobsKept, 1, 1_000_000),
            QueueExpiry = read.Seconds("QUEUE_EXPIRES_SECONDS"),
        };
    }
}
