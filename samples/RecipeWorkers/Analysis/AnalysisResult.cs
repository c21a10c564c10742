using System.Text.Json;
using System.Text.Json.Serialization;

namespace RecipeWorkers.Analysis;

/// <summary>One ingredient line; <paramref name="Quantity"/> is null for "to taste".</summary>
public sealed record Ingredient(string Name, double? Quantity, string? Unit);

/// <summary>The recipe as read.</summary>
public sealed record Recipe(string Name, IReadOnlyList<Ingredient> Ingredients);

/// <summary>One thing to buy.</summary>
public sealed record CartItem(string Name, double? Quantity, string? Unit);

/// <summary>What to buy, each thing once.</summary>
public sealed record ShoppingCart(IReadOnlyList<CartItem> Items);

/// <summary>Two things in the text that do not go together, and the sources that say so.</summary>
public sealed record ConflictWarning(
    [property: JsonPropertyName("conflicting_item_1")] string ConflictingItem1,
    [property: JsonPropertyName("conflicting_item_2")] string ConflictingItem2,
    string Message,
    IReadOnlyList<string> Sources);

/// <summary>The result of an analysis, shaped as on the wire.</summary>
public sealed record AnalysisResult(
    string Dish, Recipe Recipe, ShoppingCart ShoppingCart, IReadOnlyList<ConflictWarning> ConflictWarnings);

/// <summary>The answer: a result, or the reason there is none.</summary>
public sealed record AnalysisAnswer(
    bool Success,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] AnalysisResult? Result = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Error = null)
{
    /// <summary>An answer that gives the reason.</summary>
    public static AnalysisAnswer Failed(string error) => new(false, null, error);

    /// <summary>An answer that holds the result.</summary>
    public static AnalysisAnswer Succeeded(AnalysisResult result) => new(true, result);
}

internal sealed record AnalysisRequest(string? UserInput);

internal sealed record ImageRequest([property: JsonPropertyName("s3_url")] string? S3Url, string? Description);

/// <summary>JSON of the analysis messages.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(AnalysisAnswer))]
[JsonSerializable(typeof(AnalysisRequest))]
[JsonSerializable(typeof(ImageRequest))]
[JsonSerializable(typeof(AnalysisResult))]
[JsonSerializable(typeof(List<ConflictRule>))]
[JsonSerializable(typeof(Dictionary<string, string[]>))]
internal sealed partial class AnalysisJson : JsonSerializerContext;
