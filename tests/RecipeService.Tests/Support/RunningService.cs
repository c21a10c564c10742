using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace RecipeService.Tests.Support;

/// <summary>The web service on a loopback port of its own.</summary>
internal sealed class RunningService : IAsyncDisposable
{
    private readonly WebApplication _app;

    private RunningService(WebApplication app, Lines lines)
    {
        _app = app;
        Lines = lines;
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
    }

    public HttpClient Http { get; }

    public Lines Lines { get; }

    public IServiceProvider Services => _app.Services;

    public static async Task<RunningService> StartAsync(IReadOnlyDictionary<string, string?> settings)
    {
        var lines = new Lines();
        var app = RecipeApp.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(settings);
            builder.Configuration["urls"] = "http://127.0.0.1:0";
            builder.Logging.ClearProviders().AddProvider(lines);
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new RunningService(app, lines);
    }

    public async Task<Answer> GetAsync(string path)
        => await Answer.OfAsync(await Http.GetAsync(path, TestContext.Current.CancellationToken));

    public async Task<Answer> PostAsync(string path, object? content = null)
        => await Answer.OfAsync(await Http.PostAsJsonAsync(path, content, TestContext.Current.CancellationToken));

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
    }
}

/// <summary>An answer, read.</summary>
internal sealed record Answer(
    HttpStatusCode Status, string? ContentType, JsonElement Body, Uri? Location, TimeSpan? RetryAfter)
{
    public string? this[string name] => Body.TryGetProperty(name, out var value) ? value.ToString() : null;

    public static async Task<Answer> OfAsync(HttpResponseMessage response)
    {
        using (response)
        {
            string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            bool isJson =
                response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) ?? false;
            var body = isJson ? JsonDocument.Parse(text).RootElement : JsonSerializer.SerializeToElement(text);
            return new Answer(response.StatusCode, response.Content.Headers.ContentType?.MediaType, body,
                response.Headers.Location, response.Headers.RetryAfter?.Delta);
        }
    }
}
