namespace RecipeWorkers.Crawling;

/// <summary>Bounds of one crawl.</summary>
public sealed class CrawlOptions
{
    /// <summary>Deepest crawl that may be asked for.</summary>
    public const int MaxDepth = 5;

    /// <summary>Most pages fetched in one crawl.</summary>
    /// <value>Default: 200.</value>
    public int MaxPages { get; init; } = 200;

    /// <summary>Largest page read, in bytes after decompression.</summary>
    /// <value>Default: 5 MiB.</value>
    public int MaxPageBytes { get; init; } = 5 * 1024 * 1024;

    /// <summary>Pages fetched at once.</summary>
    /// <value>Default: 4.</value>
    public int Concurrency { get; init; } = 4;

    /// <summary>Shortest time between two requests to one host.</summary>
    /// <value>Default: 100 milliseconds.</value>
    public TimeSpan PauseBetweenRequests { get; init; } = TimeSpan.FromMilliseconds(100);
}
