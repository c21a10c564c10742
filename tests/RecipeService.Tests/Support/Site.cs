using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using RecipeWorkers.Crawling;

namespace RecipeService.Tests.Support;

/// <summary>The sample's own pages and one image, on a loopback port of their own.</summary>
internal sealed class Site : IAsyncDisposable
{
    // One pixel.
    private static readonly byte[] Png = Convert.FromBase64String(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==");

    private readonly WebApplication _app;

    private Site(WebApplication app) => _app = app;

    public static async Task<Site> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapLocalPages();
        app.MapGet("/dish.png", () => Results.Bytes(Png, "image/png"));
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new Site(app);
    }

    public string Image => $"{_app.Urls.Single()}/dish.png";

    public string Start => $"{_app.Urls.Single()}{LocalPages.StartPath}";

    public string Page(string name) => $"{_app.Urls.Single()}/pages/{name}";

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
