using System.Text.Json;
using System.Text.Json.Serialization;
using RecipeWorkers.Analysis;
using RecipeWorkers.Analysis.Parsing;

namespace RecipeWorkers.Tests;

/// <summary>A text with what a reader finds in it; written by somebody who did not see the parser.</summary>
internal sealed record LabelledText(string Id, string Text, string? Dish, IReadOnlyList<Ingredient> Ingredients);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(List<LabelledText>))]
internal sealed partial class TextJson : JsonSerializerContext;

/// <summary>Compares what the parser finds with what was to be found.</summary>
internal sealed class TextScore
{
    public int Expected { get; private set; }

    public int FoundNames { get; private set; }

    public int FoundExactNames { get; private set; }

    public int RightAmounts { get; private set; }

    public int Extra { get; private set; }

    public int Dishes { get; private set; }

    public int Texts { get; private set; }

    public List<string> Faults { get; } = [];

    public double NameShare => (double)FoundNames / Expected;

    public static List<LabelledText> Load()
    {
        using var stream = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Texts", "recipes.json"));
        return JsonSerializer.Deserialize(stream, TextJson.Default.ListLabelledText)!;
    }

    public void Add(LabelledText text)
    {
        var result = new RecipeAnalyzer().Analyze(text.Text);
        var open = result.Recipe.Ingredients.ToList();
        Texts++;
        if (SameDish(text.Dish, result.Dish)) Dishes++;
        else Faults.Add($"{text.Id}: dish \"{text.Dish}\", read \"{result.Dish}\"");
        foreach (var expected in text.Ingredients)
            Compare(text.Id, expected, open);
        Extra += open.Count;
        Faults.AddRange(open.Select(extra => $"{text.Id}: extra {extra.Name} | {extra.Quantity} | {extra.Unit}"));
    }

    public override string ToString() =>
        $"names {FoundNames}/{Expected} = {NameShare:P1} (letter by letter {FoundExactNames}), amounts and "
            + $"units {RightAmounts}/{Expected} = {(double)RightAmounts / Expected:P1}, "
        + $"extra {Extra}, dishes {Dishes}/{Texts}";

    private void Compare(string id, Ingredient expected, List<Ingredient> open)
    {
        Expected++;
        string name = IngredientName.Canonicalize(expected.Name);
        var candidates = open.Where(actual => actual.Name == name).ToList();
        if (candidates.Count == 0)
        {
            Faults.Add($"{id}: missed {expected.Name} | {expected.Quantity} | {expected.Unit}");
            return;
        }

        FoundNames++;
        if (candidates.Exists(actual => actual.Name == expected.Name)) FoundExactNames++;
        var right = candidates.Find(actual => SameAmount(expected, actual));
        open.Remove(right ?? candidates[0]);
        if (right is not null) RightAmounts++;
        else
            Faults.Add($"{id}: {expected.Name} is {expected.Quantity} {expected.Unit}, read "
                + $"{candidates[0].Quantity} {candidates[0].Unit}");
    }

    // The texts keep units the wire does not have ("dl", "jar", "stalk"): compared as what they become on it.
    private static bool SameAmount(Ingredient expected, Ingredient actual)
    {
        var unit = expected.Unit is null ? null : Units.Find(expected.Unit.Replace(" ", ""));
        if (unit is { Dimension: Dimension.Vague }) return actual.Quantity is null;
        string? name = unit is null ? expected.Unit : unit.Name;
        // A unit without an amount says nothing: "a few sprigs".
        if (expected.Quantity is null) return actual.Quantity is null;
        return actual.Unit == name && actual.Quantity is { } quantity
            && Math.Abs(quantity - (expected.Quantity.Value * (unit?.Factor ?? 1))) < 0.01;
    }

    private static bool SameDish(string? expected, string actual) =>
        string.Equals(expected ?? RecipeAnalyzer.UnknownDish, actual, StringComparison.OrdinalIgnoreCase);
}
