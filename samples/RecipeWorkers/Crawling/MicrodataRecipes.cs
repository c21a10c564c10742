using AngleSharp.Dom;

namespace RecipeWorkers.Crawling;

/// <summary>Finds schema.org recipes in the microdata of a page.</summary>
internal static class MicrodataRecipes
{
    public static IEnumerable<CrawledRecipe> Find(IDocument document, Uri address) =>
        document.QuerySelectorAll("[itemscope][itemtype*='schema.org/Recipe' i]").Select(scope => Read(scope, address))
            .OfType<CrawledRecipe>();

    private static CrawledRecipe? Read(IElement scope, Uri address)
    {
        string name = Values(scope, "name").FirstOrDefault() ?? "";
        if (name.Length == 0) return null;
        var ingredients = Values(scope, "recipeIngredient").Concat(Values(scope, "ingredients"));
        var instructions = Elements(scope, "recipeInstructions").SelectMany(Steps);
        return new CrawledRecipe(
            address.AbsoluteUri, name, [.. ingredients], [.. instructions],
            Values(scope, "recipeYield").FirstOrDefault(), Values(scope, "totalTime").FirstOrDefault());
    }

    private static IEnumerable<string> Values(IElement scope, string property) =>
        Elements(scope, property).Select(Value).Where(text => text.Length > 0);

    // A property belongs to the nearest scope above it: the author's name is not the recipe's.
    private static IEnumerable<IElement> Elements(IElement scope, string property) =>
        scope.QuerySelectorAll($"[itemprop~='{property}']").Where(element => ScopeOf(element) == scope);

    private static IElement? ScopeOf(IElement element)
    {
        var parent = element.ParentElement;
        while (parent is not null && !parent.HasAttribute("itemscope")) parent = parent.ParentElement;
        return parent;
    }

    private static string Value(IElement element)
    {
        string? written = element.GetAttribute("content") ?? element.GetAttribute("datetime");
        return PlainText.From(written ?? element.TextContent);
    }

    private static IEnumerable<string> Steps(IElement element)
    {
        if (element.HasAttribute("itemscope") && element.QuerySelector("[itemprop~='text']") is { } text)
            return [Value(text)];
        var items = element.QuerySelectorAll("li");
        if (items.Length > 0) return items.Select(Value).Where(step => step.Length > 0);
        return element.HasAttribute("content") ? [Value(element)] : PlainText.Lines(element.InnerHtml);
    }
}
