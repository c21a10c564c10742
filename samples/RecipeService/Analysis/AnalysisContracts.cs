using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using RecipeService.Http;

namespace RecipeService.Analysis;

/// <summary>A recipe to analyse, in the user's own words.</summary>
public sealed record AnalyzeRecipeRequest
{
    /// <summary>What the user typed.</summary>
    [Required, StringLength(20_000)]
    [Description("What the user typed: a dish, a list of ingredients, a whole recipe.")]
    public string? UserInput { get; init; }
}

/// <summary>An image of a recipe or a dish to analyse.</summary>
public sealed record AnalyzeImageRequest
{
    /// <summary>Where the image is.</summary>
    [Required, StringLength(2048), WebAddress("http", "https", "s3")]
    [JsonPropertyName("s3_url")]
    [Description("Where the image is: an http, https or s3 address.")]
    public string? S3Url { get; init; }

    /// <summary>What the user says about it.</summary>
    [StringLength(2000)]
    [Description("What the user says about it.")]
    public string? Description { get; init; }
}

/// <summary>
/// An analysis. <see cref="Result"/> is what the worker wrote, unchanged; see <see cref="AnalysisResult"/> for its
/// shape.
/// </summary>
public sealed record AnalysisResponse(
    bool Success,
    [property: Description(
        "The worker's result as it wrote it: dish, recipe, shopping_cart, conflict_warnings; see AnalysisResult.")]
    JsonElement Result);

/// <summary>
/// The shape in which workers answer. Documents the result and reads it; the service itself forwards it unread.
/// </summary>
public sealed record AnalysisResult(
    string? Dish, Recipe Recipe, ShoppingCart ShoppingCart, IReadOnlyList<ConflictWarning> ConflictWarnings);

/// <summary>A recipe.</summary>
public sealed record Recipe(string? Name, IReadOnlyList<Ingredient> Ingredients);

/// <summary>An ingredient; quantity and unit are null where the text names none.</summary>
public sealed record Ingredient(string Name, double? Quantity, string? Unit);

/// <summary>What to buy.</summary>
public sealed record ShoppingCart(IReadOnlyList<CartItem> Items);

/// <summary>One thing to buy.</summary>
public sealed record CartItem(string Name, double? Quantity, string? Unit);

/// <summary>Two ingredients that should not meet.</summary>
public sealed record ConflictWarning(
    [property: JsonPropertyName("conflicting_item_1")] string ConflictingItem1,
    [property: JsonPropertyName("conflicting_item_2")] string ConflictingItem2,
    string Message,
    IReadOnlyList<string> Sources);
