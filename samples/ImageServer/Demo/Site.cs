using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace ImageServer.Demo;

/// <summary>A web server with one picture, for <c>showurl</c>, and one redirection that leads where the server may not
/// go.</summary>
internal sealed class Site : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Site(WebApplication app) => _app = app;

    public static async Task<Site> StartAsync(byte[] picture, CancellationToken cancellationToken)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapGet("/picture.png", () => Results.Bytes(picture, "image/png"));
        app.MapGet("/elsewhere", () => Results.Redirect("http://127.0.0.2/"));
        await app.StartAsync(cancellationToken);
        return new Site(app);
    }

    public string Host => new Uri(_app.Urls.Single()).Authority;

    public string Picture => $"{_app.Urls.Single()}/picture.png";

    public string Elsewhere => $"{_app.Urls.Single()}/elsewhere";

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
