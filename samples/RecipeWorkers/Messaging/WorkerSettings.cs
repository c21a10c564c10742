using SampleSettings;

namespace RecipeWorkers.Messaging;

/// <summary>The workers' settings. Names and defaults of those that both sides need are the web service's.</summary>
public sealed record WorkerSettings
{
    /// <summary>The name of the analysis worker, on the command line and in <c>WORKERS</c>.</summary>
    public const string Ai = "ai";

    /// <summary>The name of the crawler, on the command line and in <c>WORKERS</c>.</summary>
    public const string Crawler = "crawler";

    /// <summary>The broker: <c>RABBITMQ_URL</c>. Never logged, for it carries the password.</summary>
    public string BrokerUrl { get; init; } = "amqp://guest:guest@localhost:5672/";

    /// <summary>Whether a broker may be reached over TLS only: <c>RABBITMQ_REQUIRE_TLS</c>.</summary>
    public bool RequireTls { get; init; }

    /// <summary>Which workers run here: <c>WORKERS</c>, or the arguments <c>ai</c> and <c>crawler</c>.</summary>
    public IReadOnlyList<string> Workers { get; init; } = [Ai, Crawler];

    /// <summary>The queue of crawling requests: <c>RABBITMQ_CRAWLING_REQUEST_QUEUE</c>.</summary>
    public string CrawlingRequestQueue { get; init; } = "crawling_request_queue";

    /// <summary>The queue of crawling answers: <c>RABBITMQ_CRAWLING_RESPONSE_QUEUE</c>.</summary>
    public string CrawlingResponseQueue { get; init; } = "crawling_response_queue";

    /// <summary>The queue of analysis requests: <c>AI_QUEUE_NAME</c>.</summary>
    public string AnalysisQueue { get; init; } = "recipe_analysis_request";

    /// <summary>
    /// How many analyses run at once: <c>AI_CONCURRENCY</c>. As many again wait here, so that none waits for the
    /// broker.
    /// </summary>
    public int AnalysisConcurrency { get; init; } = 4;

    /// <summary>
    /// After how long without use the queues go, for demonstrations and tests: <c>QUEUE_EXPIRES_SECONDS</c>. Service
    /// and workers must agree.
    /// </summary>
    public TimeSpan? QueueExpiry { get; init; }

    /// <summary>
    /// Hosts from which pages and images may be fetched, beside this machine: <c>FETCH_ALLOWED_HOSTS</c>, separated by
    /// commas.
    /// </summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>The shortest time between two requests to one web server: <c>CRAWL_PAUSE_MILLISECONDS</c>.</summary>
    public TimeSpan CrawlPause { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Names the workers; never the broker's address, which carries the password.</summary>
    public override string ToString() => $"workers {string.Join(", ", Workers)}";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting, never its
    /// value.</exception>
    public static WorkerSettings From(IConfiguration configuration, IReadOnlyList<string> arguments)
    {
        var read = new SettingReader(name => configuration[name]);
        var defaults = new WorkerSettings();
        return new WorkerSettings
        {
            BrokerUrl = read.Text("RABBITMQ_URL", defaults.BrokerUrl),
            RequireTls = read.Flag("RABBITMQ_REQUIRE_TLS"),
            Workers = read.Workers(arguments, Ai, Crawler),
            CrawlingRequestQueue = read.Text("RABBITMQ_CRAWLING_REQUEST_QUEUE", defaults.CrawlingRequestQueue),
            CrawlingResponseQueue = read.Text("RABBITMQ_CRAWLING_RESPONSE_QUEUE", defaults.CrawlingResponseQueue),
            AnalysisQueue = read.Text("AI_QUEUE_NAME", defaults.AnalysisQueue),
            AnalysisConcurrency = read.Whole("AI_CONCURRENCY", defaults.AnalysisConcurrency, 1, 1000),
            AllowedHosts = read.List("FETCH_ALLOWED_HOSTS", ','),
            CrawlPause = TimeSpan.FromMilliseconds(
                read.Number("CRAWL_PAUSE_MILLISECONDS", defaults.CrawlPause.TotalMilliseconds, 0, 60_000)),
            QueueExpiry = read.Seconds("QUEUE_EXPIRES_SECONDS"),
        };
    }
}
