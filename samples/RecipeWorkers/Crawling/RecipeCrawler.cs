using System.Net;
using GuardedFetching;

namespace RecipeWorkers.Crawling;

/// <summary>
/// Follows links breadth first and gathers the recipes of the pages. Thread-safe; one instance serves many crawls.
/// </summary>
public sealed class RecipeCrawler(HttpClient http, FetchOptions fetching, CrawlOptions options, TimeProvider time)
{
    private readonly GuardedFetcher _fetcher = new(http, fetching);
    private readonly AddressRules _rules = new(fetching);

    /// <summary>Across crawls: two jobs on one host are no reason to ask it twice as often.</summary>
    private readonly HostPacer _pacer = new(options.PauseBetweenRequests, time);

    /// <summary>Crawls; tells the progress after each page, one call at a time.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The depth is below 0 or above <see cref="CrawlOptions.MaxDepth"/>;
    /// a retry does not help.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; what was found is lost.</exception>
    public async Task<CrawlResult> CrawlAsync(
        CrawlRequest request, Func<CrawlProgress, ValueTask> progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(progress);
        ArgumentOutOfRangeException.ThrowIfNegative(request.Depth);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(request.Depth, CrawlOptions.MaxDepth);

        var crawl = new Crawl(options.MaxPages);
        crawl.Enqueue([request.Url], _rules);
        for (int depth = 0; depth <= request.Depth && crawl.TakeLevel() is { Count: > 0 } level; depth++)
            await CrawlLevelAsync(crawl, level, depth < request.Depth, progress, cancellationToken);
        return crawl.Result;
    }

    // Fetched several at a time, taken in the order of the links: the same site gives the same result twice.
    private async Task CrawlLevelAsync(Crawl crawl, IReadOnlyList<Uri> level, bool isFollowing,
        Func<CrawlProgress, ValueTask> progress, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var slots = new SemaphoreSlim(options.Concurrency);
        var pages = level.Select(address => ReadAsync(crawl, address, slots, stop.Token)).ToList();
        try
        {
            for (int i = 0; i < pages.Count; i++)
            {
                var page = await pages[i];
                crawl.Take(page);
                if (isFollowing) crawl.Enqueue(page.Links, _rules);
                await progress(new CrawlProgress(crawl.Pages, pages.Count - 1 - i + crawl.Queued, crawl.Recipes));
            }
        }
        finally
        {
            // The slots must outlive those that still wait for one.
            await stop.CancelAsync();
            await Task.WhenAll(pages).ContinueWith(static _ => { }, CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }
    }

    private async Task<Page> ReadAsync(
        Crawl crawl, Uri address, SemaphoreSlim slots, CancellationToken cancellationToken)
    {
        await slots.WaitAsync(cancellationToken);
        try
        {
            var robots = await crawl.RobotsOfAsync(address, origin => FetchRobotsAsync(origin, cancellationToken));
            if (!robots.Allows(address)) return Page.Failed(address, robots.Reason);

            await _pacer.WaitAsync(address.Host, cancellationToken);
            var fetched = await _fetcher.FetchAsync(address, options.MaxPageBytes, cancellationToken);
            if (fetched.Error is { } error) return Page.Failed(fetched.Address, error);
            if (fetched.MediaType is not (null or "text/html" or "application/xhtml+xml"))
                return Page.Failed(address, $"{fetched.MediaType} is not HTML");

            string contentType = $"text/html{(fetched.Charset is { } charset ? "; charset=" + charset : "")}";
            var content = await PageReader.ReadAsync(fetched.Address, fetched.Body, contentType, cancellationToken);
            return new Page(fetched.Address, content.Recipes, content.Links, null);
        }
        finally
        {
            slots.Release();
        }
    }

    private async Task<Robots> FetchRobotsAsync(Uri origin, CancellationToken cancellationToken)
    {
        var fetched = await _fetcher.FetchAsync(
            new Uri(origin, "/robots.txt"), options.MaxPageBytes, cancellationToken);
        return fetched switch
        {
            { Error: null } => Robots.Parse(System.Text.Encoding.UTF8.GetString(fetched.Body)),
            { IsRefused: true } or { Status: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError } =>
                Robots.None,
            _ => Robots.Unreachable(fetched.Error),
        };
    }
}
