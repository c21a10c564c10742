using System.Globalization;

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
        var defaults = new WorkerSettings();
        return new WorkerSettings
        {
            BrokerUrl = configuration["RABBITMQ_URL"] ?? defaults.BrokerUrl,
            RequireTls = string.Equals(
                configuration["RABBITMQ_REQUIRE_TLS"], "true", StringComparison.OrdinalIgnoreCase),
            Workers = Names(arguments.Count > 0 ? arguments
                : (configuration["WORKERS"] ?? $"{Generator},{Searcher}").Split(',', StringSplitOptions.TrimEntries)),
            NamePrefix = configuration["NAME_PREFIX"] ?? "",
            QueueExpiry = configuration["QUEUE_EXPIRES_SECONDS"] is null ? null
                : TimeSpan.FromSeconds(Number("QUEUE_EXPIRES_SECONDS", 0, 0.05, 86_400)),
            Concurrency = (int)Number("CONCURRENCY", defaults.Concurrency, 1, 64),
            DrawingTime = TimeSpan.FromSeconds(Number("DRAWING_SECONDS", defaults.DrawingTime.TotalSeconds, 0, 3600)),
            CatalogueFolder = configuration["CATALOGUE"],
        };

        double Number(string name, double otherwise, double min, double max)
        {
            string text = configuration[name] ?? otherwise.ToString(CultureInfo.InvariantCulture);
            return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value >= min && value <= max
                ? value
                : throw new InvalidOperationException($"{name} must be a number from {min} to {max}.");
        }
    }

    private static string[] Names(IEnumerable<string> names)
        => [.. names.Distinct().Select(name => name is Generator or Searcher
        ? name
        : throw new InvalidOperationException(
            $"There are the workers {Generator} and {Searcher}; name one, both, or none for both."))];
}
