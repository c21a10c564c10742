using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using RecipeWorkers.Crawling;

namespace RecipeDemo;

/// <summary>What there is to crawl and to look at: the workers' sample pages and one image, served from here.</summary>
internal sealed class Site : IAsyncDisposable
{
    // One pixel: the analyser checks that an image is one and reads what its description says.
    private static readonly byte[] Png = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==");

    private readonly WebApplication _app;

    private Site(WebApplication app) => _app = app;

    public static async Task<Site> StartAsync(CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapLocalPages();
        app.MapGet("/dish.png", () => Results.Bytes(Png, "image/png"));
        await app.StartAsync(cancellationToken);
        return new Site(app);
    }

    private string Root => _app.Urls.Single();

    /// <summary>A page with one recipe, under an address that only this request has.</summary>
    public string Page(int number) => $"{Root}/pages/tomato-soup.html?request={number}";

    /// <summary>The image, under an address that only this request has.</summary>
    public string Image(int number) => $"{Root}/dish.png?request={number}";

    /// <summary>The page that links to all others.</summary>
    public string Start => Root + LocalPages.StartPath;

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
