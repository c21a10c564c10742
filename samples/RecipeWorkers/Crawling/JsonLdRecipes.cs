using System.Globalization;
using System.Text.Json;
using AngleSharp.Dom;

namespace RecipeWorkers.Crawling;

/// <summary>Finds schema.org recipes in the JSON-LD of a page.</summary>
internal static class JsonLdRecipes
{
    // Real pages nest a recipe in a graph in a list; more than this is no page for people.
    private const int MaxNesting = 12;

    private static readonly JsonDocumentOptions Lenient = new()
    {
        AllowTrailingCommas = true,
        CommentHandling = JsonCommentHandling.Skip
    };

    public static IEnumerable<CrawledRecipe> Find(IDocument document, Uri address) =>
        document.QuerySelectorAll("script[type='application/ld+json' i]")
            .SelectMany(script => Parse(script.TextContent, address));

    private static List<CrawledRecipe> Parse(string json, Uri address)
    {
        try
        {
            using var document = JsonDocument.Parse(json.Trim(), Lenient);
            var recipes = new List<CrawledRecipe>();
            Walk(document.RootElement, address, recipes, 0);
            return recipes;
        }
        catch (JsonException)
        {
            // Broken markup is the page's fault; the rest of the page may still serve.
            return [];
        }
    }

    private static void Walk(JsonElement node, Uri address, List<CrawledRecipe> recipes, int nesting)
    {
        if (nesting > MaxNesting) return;
        if (node.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in node.EnumerateArray()) Walk(item, address, recipes, nesting + 1);
            return;
        }

        if (node.ValueKind != JsonValueKind.Object) return;
        if (IsRecipe(node))
        {
            if (Read(node, address) is { } recipe) recipes.Add(recipe);
            return;
        }

        foreach (var property in node.EnumerateObject())
            if (property.Name is "@graph" or "mainEntity" or "mainEntityOfPage" or "itemListElement" or "item"
                or "hasPart")
                Walk(property.Value, address, recipes, nesting + 1);
    }

    private static bool IsRecipe(JsonElement node)
        => node.TryGetProperty("@type", out var type) && Texts(type).Any(IsRecipeType);

    private static bool IsRecipeType(string type) => type is "Recipe"
        || type.EndsWith("schema.org/Recipe", StringComparison.OrdinalIgnoreCase) || type is "schema:Recipe";

    private static CrawledRecipe? Read(JsonElement node, Uri address)
    {
        string name = PlainText.From(First(node, "name") ?? First(node, "headline"));
        if (name.Length == 0) return null;
        var ingredients = All(node, "recipeIngredient")
            .Concat(All(node, "ingredients")).Select(PlainText.From).Where(text => text.Length > 0).Distinct();
        var instructions = node.TryGetProperty("recipeInstructions", out var steps) ? Steps(steps, 0) : [];
        return new CrawledRecipe(address.AbsoluteUri, name, [.. ingredients], [.. instructions],
            First(node, "recipeYield"), First(node, "totalTime"));
    }

    // A text, a list of texts, HowToSteps, or HowToSections of them.
    private static IEnumerable<string> Steps(JsonElement node, int nesting)
    {
        if (nesting > MaxNesting) return [];
        return node.ValueKind switch
        {
            JsonValueKind.String => PlainText.Lines(node.GetString()),
            JsonValueKind.Array => node.EnumerateArray().SelectMany(item => Steps(item, nesting + 1)),
            JsonValueKind.Object when node.TryGetProperty("itemListElement", out var items) =>
                Steps(items, nesting + 1),
            JsonValueKind.Object => PlainText.Lines(First(node, "text") ?? First(node, "name")),
            _ => [],
        };
    }

    private static string? First(JsonElement node, string name) => All(node, name).FirstOrDefault();

    private static IEnumerable<string> All(JsonElement node, string name)
        => node.TryGetProperty(name, out var value) ? Texts(value) : [];

    private static IEnumerable<string> Texts(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Number => [value.GetDouble().ToString(CultureInfo.InvariantCulture)],
        JsonValueKind.Array => value.EnumerateArray().SelectMany(Texts),
        _ => [],
    };
}
