using System.Collections.Concurrent;
using GuardedFetching;

namespace RecipeWorkers.Crawling;

/// <summary>A page read, or the reason it was not.</summary>
internal sealed record Page(Uri Address, IReadOnlyList<CrawledRecipe> Recipes, IReadOnlyList<Uri> Links, string? Error)
{
    public static Page Failed(Uri address, string error) => new(address, [], [], error);
}

/// <summary>
/// What one crawl knows. Owned by the loop over its pages; only <see cref="RobotsOfAsync"/> is for all threads.
/// </summary>
internal sealed class Crawl(int maxPages)
{
    // Pages link to the whole web; a result must stay a message.
    private const int MaxRefused = 500;

    private readonly HashSet<string> _seen = [];
    private readonly HashSet<string> _read = [];
    private readonly List<CrawledRecipe> _recipes = [];
    private readonly List<RefusedAddress> _refused = [];
    private readonly ConcurrentDictionary<string, Lazy<Task<Robots>>> _robots = new();
    private List<Uri> _next = [];
    private int _requested;

    public int Pages => _read.Count;

    public int Queued => _next.Count;

    public int Recipes => _recipes.Count;

    public CrawlResult Result => new(_read.Count, _recipes, _refused);

    /// <summary>The addresses of the next level.</summary>
    public IReadOnlyList<Uri> TakeLevel()
    {
        var level = _next;
        _next = [];
        return level;
    }

    /// <summary>Queues what is new, allowed and within the bound on pages.</summary>
    public void Enqueue(IEnumerable<Uri> links, AddressRules rules)
    {
        foreach (var link in links)
        {
            if (!_seen.Add(link.AbsoluteUri)) continue;
            if (rules.Refuse(link) is { } reason) Refuse(link, reason);
            else if (_requested < maxPages)
            {
                _requested++;
                _next.Add(link);
            }
        }
    }

    public void Take(Page page)
    {
        if (page.Error is { } error)
        {
            Refuse(page.Address, error);
            return;
        }

        // Two links may lead to one page by redirects.
        _seen.Add(page.Address.AbsoluteUri);
        if (_read.Add(page.Address.AbsoluteUri)) _recipes.AddRange(page.Recipes);
    }

    /// <summary>The robots.txt of an origin, fetched once.</summary>
    public Task<Robots> RobotsOfAsync(Uri address, Func<Uri, Task<Robots>> fetch)
    {
        string origin = address.GetLeftPart(UriPartial.Authority);
        return _robots.GetOrAdd(origin, key => new Lazy<Task<Robots>>(() => fetch(new Uri(key)))).Value;
    }

    private void Refuse(Uri address, string reason)
    {
        if (_refused.Count < MaxRefused) _refused.Add(new RefusedAddress(address.AbsoluteUri, reason));
    }
}
