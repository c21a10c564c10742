using SampleSettings;

namespace ImageWorkers.Messaging;

/// <summary>The workers' settings. Names and defaults of those that both sides need are the server's.</summary>
internal sealed record WorkerSettings
{
    /// <summary>The name of the worker that draws, on the command line and in <c>WORKERS</c>.</summary>
    public const string Generator = "generator";

    /// <summary>The name of the worker that searches, on the command line and in <c>WORKERS</c>.</summary>
    public const string Searcher = "searcher";

    /// <summary>The broker: <c>RABBITMQ_URL</c>. Never logged, for it carries the password.</summary>
    public string BrokerUrl { get; init; } = "amqp://guest:guest@localhost:5672/";

    /// <summary>Whether a broker may be reached over TLS only:
    /// <c>RABBITMQ_REQUIRE_TLS</c>.</summary>
    public bool RequireTls { get; init; }

    /// <summary>Which workers run here: <c>WORKERS</c>, or the arguments <c>generator</c> and
    /// <c>searcher</c>.</summary>
    public IReadOnlyList<string> Workers { get; init; } = [Generator, Searcher];

    /// <summary>What names on the broker begin with: <c>NAME_PREFIX</c>. Server and workers must agree.</summary>
    public string NamePrefix { get; init; } = "";

    /// <summary>After how long without use the queues go: <c>QUEUE_EXPIRES_SECONDS</c>. Server and workers must
    /// agree.</summary>
    public TimeSpan? QueueExpiry { get; init; }

    /// <summary>How many requests of a kind are worked on at once: <c>CONCURRENCY</c>. No more are taken from the
    /// queue, so that others get them.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>How long a picture takes the model "patient": <c>DRAWING_SECONDS</c>.</summary>
    public TimeSpan DrawingTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A folder of images to be found by the words in their names: <c>CATALOGUE</c>. Default: none.</summary>
    public string? CatalogueFolder { get; init; }

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
            Workers = read.Workers(arguments, Generator, Searcher),
            NamePrefix = read.Text("NAME_PREFIX", defaults.NamePrefix),
            QueueExpiry = read.Seconds("QUEUE_EXPIRES_SECONDS"),
            Concurrency = read.Whole("CONCURRENCY", defaults.Concurrency, 1, 64),
            DrawingTime = read.Seconds("DRAWING_SECONDS", defaults.DrawingTime, 0, 3600),
            CatalogueFolder = read.Text("CATALOGUE"),
        };
    }
}
