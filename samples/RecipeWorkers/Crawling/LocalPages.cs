using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace RecipeWorkers.Crawling;

/// <summary>
/// A dozen linked pages with recipes, so that the sample has something to crawl without leaving the machine.
/// </summary>
public static class LocalPages
{
    /// <summary>The path of the page to begin with.</summary>
    public const string StartPath = "/pages/index.html";

    private const string Prefix = "Pages.";

    /// <summary>The names of the pages.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Assembly.GetExecutingAssembly().GetManifestResourceNames()
            .Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Select(name => name[Prefix.Length..])];

    /// <summary>Serves the pages under <c>/pages/</c>, and a redirect to the start page at <c>/pages</c>.</summary>
    public static IEndpointRouteBuilder MapLocalPages(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGet("/pages", () => Results.Redirect(StartPath));
        endpoints.MapGet("/pages/{name}", (string name) => Names.Contains(name)
            ? Results.Stream(
                Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + name)!, "text/html; charset=utf-8")
            : Results.NotFound());
        return endpoints;
    }
}
