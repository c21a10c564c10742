using System.Net;
using SampleSettings;

namespace ImageServer.Server;

/// <summary>The server's settings, read once: from the command line (<c>--gen-model</c>), the environment
/// (<c>GEN_MODEL</c>) or any other source.</summary>
internal sealed record ImageSettings
{
    /// <summary>The name of the setting with the folders.</summary>
    public const string PathsKey = "PATHS";

    /// <summary>Where clients connect: <c>--port</c>; 0 takes a free one.</summary>
    public int Port { get; init; } = Protocol.ImageConnection.DefaultPort;

    /// <summary>The address to listen on: <c>--listen</c>. Default: all, as the clients are other machines.</summary>
    public IPAddress Listen { get; init; } = IPAddress.IPv6Any;

    /// <summary>Folders with images: <c>--paths</c>, any number of them.</summary>
    public IReadOnlyList<string> Paths { get; init; } = [];

    /// <summary>How often the folders are looked through: <c>SCAN_SECONDS</c>.</summary>
    public TimeSpan ScanEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The model that draws prompts: <c>--gen-model</c>.</summary>
    public string GenerationModel { get; init; } = "painter";

    /// <summary>The least level of log lines: <c>--loglevel</c>, in the words of .NET or of Python.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>The broker: <c>RABBITMQ_URL</c>. Never logged, for it carries the password.</summary>
    public string BrokerUrl { get; init; } = "amqp://guest:guest@localhost:5672/";

    /// <summary>Whether a broker may be reached over TLS only:
    /// <c>RABBITMQ_REQUIRE_TLS</c>.</summary>
    public bool RequireTls { get; init; }

    /// <summary>What names on the broker begin with, for demonstrations and tests: <c>NAME_PREFIX</c>. Server and
    /// workers must agree.</summary>
    public string NamePrefix { get; init; } = "";

    /// <summary>After how long without use the queues go: <c>QUEUE_EXPIRES_SECONDS</c>. Server and workers must
    /// agree.</summary>
    public TimeSpan? QueueExpiry { get; init; }

    /// <summary>How long a request to the workers may take, waiting included: <c>ANSWER_TIMEOUT_SECONDS</c>.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a request waits for a broker that is away before it fails:
    /// <c>BROKER_GRACE_SECONDS</c>.</summary>
    public TimeSpan BrokerGrace { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The most requests in the line: <c>MAX_LINE</c>.</summary>
    public int MaxLine { get; init; } = 64;

    /// <summary>The most clients at once: <c>MAX_CONNECTIONS</c>.</summary>
    public int MaxConnections { get; init; } = 4096;

    /// <summary>How long a client may say nothing: <c>IDLE_SECONDS</c>.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a line that was begun may take to end: <c>LINE_SECONDS</c>.</summary>
    public TimeSpan LineTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a client may take to accept the next few kilobytes of an answer:
    /// <c>SEND_SECONDS</c>.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most pixels of a picture that is decoded: <c>MAX_PIXELS</c>. Four bytes of memory each, once per
    /// core.</summary>
    public long MaxPixels { get; init; } = 24_000_000;

    /// <summary>The most bytes of converted files that are kept: <c>CACHE_BYTES</c>.</summary>
    public long CacheBytes { get; init; } = 64 << 20;

    /// <summary>Hosts from which <c>showurl</c> fetches: <c>SHOWURL_HOSTS</c>, separated by commas. Default:
    /// none.</summary>
    public IReadOnlyList<string> UrlHosts { get; init; } = [];

    /// <summary>Which of these may lead to loopback and private addresses: <c>SHOWURL_INTERNAL_HOSTS</c>. Default:
    /// none.</summary>
    public IReadOnlyList<string> UrlInternalHosts { get; init; } = [];

    /// <summary>Names the model and the folders; never the broker's address, which carries the password.</summary>
    public override string ToString() => $"model {GenerationModel}, {Paths.Count} folders";

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting, never its
    /// value.</exception>
    public static ImageSettings From(IConfiguration configuration)
    {
        var read = new SettingReader(name => configuration[name]);
        var defaults = new ImageSettings();
        return new ImageSettings
        {
            Port = read.Port("PORT", defaults.Port, isListener: true),
            Listen = read.Text("LISTEN") is { } listen ? Address(listen) : defaults.Listen,
            Paths = [.. Folders().Where(folder => folder.Length > 0).Select(Path.GetFullPath)],
            ScanEvery = read.Seconds("SCAN_SECONDS", defaults.ScanEvery),
            GenerationModel = read.Text("GEN_MODEL", defaults.GenerationModel),
            LogLevel = Level(read.Text("LOGLEVEL", "info")),
            BrokerUrl = read.Text("RABBITMQ_URL", defaults.BrokerUrl),
            RequireTls = read.Flag("RABBITMQ_REQUIRE_TLS"),
            NamePrefix = read.Text("NAME_PREFIX", defaults.NamePrefix),
            QueueExpiry = read.Seconds("QUEUE_EXPIRES_SECONDS"),
            AnswerTimeout = read.Seconds("ANSWER_TIMEOUT_SECONDS", defaults.AnswerTimeout),
            BrokerGrace = read.Seconds("BROKER_GRACE_SECONDS", defaults.BrokerGrace),
            MaxLine = read.Whole("MAX_LINE", defaults.MaxLine, 1, 100_000),
            MaxConnections = read.Whole("MAX_CONNECTIONS", defaults.MaxConnections, 1, 100_000),
            IdleTimeout = read.Seconds("IDLE_SECONDS", defaults.IdleTimeout),
            LineTimeout = read.Seconds("LINE_SECONDS", defaults.LineTimeout),
            SendTimeout = read.Seconds("SEND_SECONDS", defaults.SendTimeout),
            MaxPixels = (long)read.Number("MAX_PIXELS", defaults.MaxPixels, 1, 1e9),
            CacheBytes = (long)read.Number("CACHE_BYTES", defaults.CacheBytes, 0, 1L << 36),
            UrlHosts = read.List("SHOWURL_HOSTS", ','),
            UrlInternalHosts = read.List("SHOWURL_INTERNAL_HOSTS", ','),
        };

        // By the command line one by one, for any character may be in a name; otherwise in one text.
        string[] Folders()
        {
            IEnumerable<IConfigurationSection> named = configuration.GetSection(PathsKey).GetChildren();
            return named.Any()
                ? [.. named.Select(folder => folder.Value ?? "")]
                : read.List(PathsKey, Path.PathSeparator);
        }
    }

    private static IPAddress Address(string text) => IPAddress.TryParse(text, out var address)
        ? address
        : throw new InvalidOperationException("LISTEN must be an IP address.");

    private static LogLevel Level(string text) => text.ToUpperInvariant() switch
    {
        "TRACE" => LogLevel.Trace,
        "DEBUG" => LogLevel.Debug,
        "INFO" or "INFORMATION" => LogLevel.Information,
        "WARN" or "WARNING" => LogLevel.Warning,
        "ERROR" => LogLevel.Error,
        "CRITICAL" => LogLevel.Critical,
        _ => throw new InvalidOperationException("LOGLEVEL must be trace, debug, info, warn, error or critical."),
    };
}
