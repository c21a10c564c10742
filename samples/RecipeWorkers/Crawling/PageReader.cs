using AngleSharp;
using AngleSharp.Dom;

namespace RecipeWorkers.Crawling;

/// <summary>What a page holds for us.</summary>
internal sealed record PageContent(IReadOnlyList<CrawledRecipe> Recipes, IReadOnlyList<Uri> Links);

/// <summary>Parses HTML and takes recipes and links out of it. Runs no script and loads nothing.</summary>
internal static class PageReader
{
    public static async Task<PageContent> ReadAsync(
        Uri address, byte[] html, string contentType, CancellationToken cancellationToken)
    {
        using var context = BrowsingContext.New(Configuration.Default);
        using var stream = new MemoryStream(html);
        using var document = await context.OpenAsync(
            response => response.Content(stream).Address(address.AbsoluteUri).Header("Content-Type", contentType),
            cancellationToken);

        // Many sites describe one recipe in both forms; the first counts.
        var recipes = JsonLdRecipes.Find(document, address)
            .Concat(MicrodataRecipes.Find(document, address)).DistinctBy(recipe => recipe.Name).ToList();
        return new PageContent(recipes, [.. Links(document)]);
    }

    private static IEnumerable<Uri> Links(IDocument document)
    {
        var seen = new HashSet<string>();
        foreach (var anchor in document.QuerySelectorAll("a[href]"))
        {
            if (anchor.GetAttribute("rel")?.Contains("nofollow", StringComparison.OrdinalIgnoreCase) == true) continue;
            if (!Uri.TryCreate(document.BaseUrl?.Href ?? document.Url, UriKind.Absolute, out var basis)) continue;
            if (!Uri.TryCreate(basis, anchor.GetAttribute("href"), out var link)
                || link.Scheme is not ("http" or "https"))
                continue;
            var plain = new Uri(link.GetLeftPart(UriPartial.Query));
            if (seen.Add(plain.AbsoluteUri)) yield return plain;
        }
    }
}
