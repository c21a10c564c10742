using GuardedFetching;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using RecipeWorkers.Crawling;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class CrawlerTests
{
    [Theory]
    [InlineData(0, 1, 0)]
    [InlineData(1, 5, 0)]
    [InlineData(2, 12, 6)]
    [InlineData(5, 12, 6)]
    public async Task Links_are_followed_to_the_depth_asked_and_each_page_once(int depth, int pages, int recipes)
    {
        await using var server = await LocalServer.StartAsync(app => app.MapLocalPages());
        var result = await CrawlAsync(server.At(LocalPages.StartPath), depth);

        Assert.Equal(pages, result.Pages);
        Assert.Equal(recipes, result.Recipes.Count);
    }

    [Fact]
    public async Task The_outside_host_is_named_among_the_refused_and_a_broken_recipe_costs_only_itself()
    {
        await using var server = await LocalServer.StartAsync(app => app.MapLocalPages());
        var result = await CrawlAsync(server.At(LocalPages.StartPath), 3);

        var refused = Assert.Single(result.Refused);
        Assert.Equal("https://outside.example/recipes", refused.Url);
        Assert.Equal(
            ["Banana bread", "Carbonara", "Chickpea curry", "Leek and potato soup", "Pancakes", "Tomato soup"],
            result.Recipes.Select(recipe => recipe.Name).Order());
    }

    [Fact]
    public async Task A_loop_of_links_ends()
    {
        await using var server = await LocalServer.StartAsync(app =>
        {
            app.MapGet("/a", () => Page("<a href='/b'>b</a><a href='/a#self'>self</a>"));
            app.MapGet("/b", () => Page("<a href='/a'>a</a>"));
        });
        Assert.Equal(2, (await CrawlAsync(server.At("/a"), 5)).Pages);
    }

    [Fact]
    public async Task A_start_outside_the_allow_list_is_refused()
    {
        var result = await CrawlAsync(new Uri("http://outside.example/"), 1);
        Assert.Equal(0, result.Pages);
        Assert.Contains("allow list", Assert.Single(result.Refused).Reason);
    }

    [Fact]
    public async Task Another_port_of_an_allowed_host_is_refused()
    {
        await using var other = await LocalServer.StartAsync(app => app.MapGet("/", () => Page("")));
        await using var server = await LocalServer.StartAsync(
            app => app.MapGet("/", () => Page($"<a href='{other.Address}'>other</a>")));
        var result = await CrawlAsync(
            server.Address, 1, new FetchOptions { AllowedHosts = [server.Address.Authority] });

        Assert.Equal(1, result.Pages);
        Assert.Equal(other.Address.AbsoluteUri, Assert.Single(result.Refused).Url);
    }

    [Fact]
    public async Task A_link_to_another_allowed_host_is_followed()
    {
        await using var other = await LocalServer.StartAsync(app => app.MapGet("/", () => Page("")));
        await using var server = await LocalServer.StartAsync(
            app => app.MapGet("/", () => Page($"<a href='{other.Address}'>other</a>")));
        Assert.Equal(2, (await CrawlAsync(
            server.Address,
            1,
            new FetchOptions { AllowedHosts = [server.Address.Authority, other.Address.Authority] })).Pages);
    }

    [Theory]
    [InlineData("http://outside.example/", "allow list")]
    [InlineData("file:///etc/passwd", "only http and https")]
    [InlineData("http://169.254.169.254/latest/meta-data/", "link-local or metadata")]
    public async Task A_redirect_is_checked_at_each_hop(string target, string reason)
    {
        await using var server = await LocalServer.StartAsync(app =>
        {
            app.MapGet("/", () => Results.Redirect("/second"));
            app.MapGet("/second", (HttpContext context) =>
            {
                context.Response.StatusCode = 302;
                context.Response.Headers.Location = target;
            });
        });
        // The metadata address is on the list here: the list alone does not open it.
        var result = await CrawlAsync(
            server.Address, 0, new FetchOptions { AllowedHosts = [server.Address.Authority, "169.254.169.254"] });

        Assert.Equal(0, result.Pages);
        Assert.Contains(reason, Assert.Single(result.Refused).Reason);
    }

    [Fact]
    public async Task Endless_redirects_are_given_up()
    {
        await using var server = await LocalServer.StartAsync(
            app => app.MapGet("/{n:int}", (int n) => Results.Redirect($"/{n + 1}")));
        Assert.Contains("more than 5 redirects", Assert.Single((await CrawlAsync(server.At("/0"), 0)).Refused).Reason);
    }

    [Fact]
    public async Task A_page_above_the_cap_is_left_out()
    {
        await using var server = await LocalServer.StartAsync(
            app => app.MapGet("/", () => Page(new string('x', 5000))));
        var result = await CrawlAsync(
            server.Address, 0, options: new CrawlOptions { MaxPageBytes = 4096, PauseBetweenRequests = TimeSpan.Zero });
        Assert.Contains("larger than 4096", Assert.Single(result.Refused).Reason);
    }

    [Fact]
    public async Task No_more_pages_than_the_bound_are_fetched()
    {
        int asked = 0;
        await using var server = await LocalServer.StartAsync(app => app.MapGet("/{n:int}", (int n) =>
        {
            Interlocked.Increment(ref asked);
            return Page(string.Concat(Enumerable.Range(n * 10, 10).Select(next => $"<a href='/{next + 1}'>x</a>")));
        }));
        var result = await CrawlAsync(
            server.At("/0"), 5, options: new CrawlOptions { MaxPages = 7, PauseBetweenRequests = TimeSpan.Zero });

        Assert.Equal(7, result.Pages);
        Assert.Equal(7, asked);
        Assert.Equal(
            (200, 5 * 1024 * 1024, 4),
            (new CrawlOptions().MaxPages, new CrawlOptions().MaxPageBytes, new CrawlOptions().Concurrency));
    }

    [Fact]
    public async Task Four_pages_are_fetched_at_once_and_never_more()
    {
        var (now, most) = (0, 0);
        var four = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = await LocalServer.StartAsync(app =>
        {
            app.MapGet("/", () => Page(string.Concat(Enumerable.Range(0, 12).Select(n => $"<a href='/p{n}'>x</a>"))));
            app.MapGet("/{page}", async (string page, CancellationToken token) =>
            {
                if (page == "robots.txt") return Results.NotFound();
                int running = Interlocked.Increment(ref now);
                InterlockedMax(ref most, running);
                if (running == 4) four.TrySetResult();
                // The first ones wait until four are here: fewer at once would never get on.
                await four.Task.WaitAsync(token);
                Interlocked.Decrement(ref now);
                return Page("");
            });
        });
        Assert.Equal(13, (await CrawlAsync(server.Address, 1)).Pages);
        Assert.Equal(4, most);
    }

    [Fact]
    public async Task What_robots_txt_forbids_is_not_asked()
    {
        int asked = 0;
        await using var server = await LocalServer.StartAsync(app =>
        {
            app.MapGet("/robots.txt", () => "User-agent: *\nDisallow: /private\n");
            app.MapGet("/", () => Page("<a href='/private/x'>x</a><a href='/open'>y</a>"));
            app.MapGet("/open", () => Page(""));
            app.MapGet("/private/x", () =>
            {
                asked++;
                return Page("");
            });
        });
        var result = await CrawlAsync(server.Address, 1);

        Assert.Equal(2, result.Pages);
        Assert.Contains("robots.txt", Assert.Single(result.Refused).Reason);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task A_site_whose_robots_txt_cannot_be_read_is_not_asked_for_anything_else()
    {
        int asked = 0;
        await using var server = await LocalServer.StartAsync(app =>
        {
            app.MapGet("/robots.txt", () => Results.StatusCode(503));
            app.MapGet("/", () =>
            {
                asked++;
                return Page("");
            });
        });
        var result = await CrawlAsync(server.Address, 1);

        Assert.Equal("robots.txt cannot be read: status 503", Assert.Single(result.Refused).Reason);
        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task Progress_is_told_after_each_page_and_grows()
    {
        await using var server = await LocalServer.StartAsync(app => app.MapLocalPages());
        var told = new List<CrawlProgress>();
        await CrawlAsync(server.At(LocalPages.StartPath), 2, progress: told.Add);

        Assert.Equal(12, told.Count);
        Assert.Equal(Enumerable.Range(1, 12), told.Select(progress => progress.PagesDone));
        Assert.Equal(new CrawlProgress(12, 0, 6), told[^1]);
    }

    [Fact]
    public async Task A_cancelled_crawl_ends_at_once()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        await using var server = await LocalServer.StartAsync(app => app.MapGet("/", async (HttpContext context) =>
        {
            await stop.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        }));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => CrawlAsync(server.Address, 1, token: stop.Token));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(6)]
    public async Task A_depth_out_of_range_is_an_error_of_the_caller(int depth) =>
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => CrawlAsync(new Uri("http://localhost/"), depth));

    private static IResult Page(string body) => Results.Content($"<html><body>{body}</body></html>", "text/html");

    private static void InterlockedMax(ref int target, int value)
    {
        for (int seen = target; value > seen; seen = target)
            if (Interlocked.CompareExchange(ref target, value, seen) == seen) return;
    }

    private static async Task<CrawlResult> CrawlAsync(
        Uri start, int depth, FetchOptions? fetching = null, CrawlOptions? options = null,
        Action<CrawlProgress>? progress = null, CancellationToken? token = null)
    {
        fetching ??= new FetchOptions { Timeout = TimeSpan.FromMinutes(1) };
        using var http = GuardedHttp.CreateClient(fetching);
        var crawler = new RecipeCrawler(
            http, fetching, options ?? new CrawlOptions { PauseBetweenRequests = TimeSpan.Zero }, TimeProvider.System);
        return await crawler.CrawlAsync(
            new CrawlRequest(start, depth),
            told =>
            {
                progress?.Invoke(told);
                return ValueTask.CompletedTask;
            },
            token ?? TestContext.Current.CancellationToken);
    }
}
