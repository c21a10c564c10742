using System.Text.Json;
using RecipeWorkers.Analysis.Parsing;

namespace RecipeWorkers.Analysis;

/// <summary>One row of the table. An item is a name, or "@" and the name of a category.</summary>
internal sealed record ConflictRule(string Item1, string Item2, string Message, string[] Sources);

/// <summary>Looks up the table for what a text brings together.</summary>
internal static class ConflictFinder
{
    /// <summary>The table: real published references only.</summary>
    public static readonly IReadOnlyList<ConflictRule> Rules = Load(
        "conflicts.json", AnalysisJson.Default.ListConflictRule);

    /// <summary>Names and synonyms by category.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Categories = Load(
        "categories.json", AnalysisJson.Default.DictionaryStringStringArray);

    // Plant "milk" is no dairy, peanut "butter" neither: the word before the name makes another thing.
    private static readonly HashSet<string> Impostors =
        ["coconut", "almond", "oat", "soy", "soya", "rice",
            "cashew", "hazelnut", "peanut", "nut", "vegan", "plant", "plant-based", "non-dairy", "dairy-free", "cocoa",
            "apple", "shea", "gluten-free", "chickpea", "gram", "corn", "buckwheat", "coffee", "cream",
            "water", "tartar", "flax", "potato", "tapioca", "bean", "hemp", "cookie", "vegetable", "mushroom", "fish"];

    public static IReadOnlyList<ConflictWarning> Find(IEnumerable<string> ingredients, string text)
    {
        var names = ingredients.Distinct().ToList();
        var words = WordsOf(text);
        var warnings = new List<ConflictWarning>();
        foreach (var rule in Rules)
        {
            string? first = Match(rule.Item1, names, words);
            string? second = Match(rule.Item2, names, words);
            // Both sides of a pair may be one category member; a thing does not conflict with itself.
            if (first is not null && second is not null && first != second)
                warnings.Add(new ConflictWarning(first, second, rule.Message, rule.Sources));
        }

        return warnings;
    }

    /// <summary>The names an item of the table stands for.</summary>
    public static IReadOnlyList<string> NamesOf(string item) => item.StartsWith('@') ? Categories[item[1..]] : [item];

    // Foods must be ingredients; medicines, supplements and diets are only ever told in passing ("#" marks those
    // names).
    private static string? Match(string item, List<string> ingredients, List<string> words)
    {
        foreach (string name in NamesOf(item))
        {
            string? found = name.StartsWith('#')
                ? (Contains(words, name[1..].Split(' ')) ? name[1..] : null)
                : ingredients.Find(ingredient => IsSame(ingredient, name));
            if (found is not null) return found;
        }

        return null;
    }

    private static bool IsSame(string ingredient, string name)
    {
        if (ingredient == name) return true;
        if (!ingredient.EndsWith(" " + name, StringComparison.Ordinal)) return false;
        string[] before = ingredient[..^(name.Length + 1)].Split(' ');
        return !before.Any(Impostors.Contains);
    }

    private static bool Contains(List<string> words, string[] phrase)
    {
        for (int i = 0; i + phrase.Length <= words.Count; i++)
            if (words.Skip(i).Take(phrase.Length).SequenceEqual(phrase)) return true;
        return false;
    }

    private static List<string> WordsOf(string text) =>
        [.. Tokenizer.Tokenize(TextNormalizer.Normalize(text).Replace('\n', ' ')).Where(token => token.IsWord)
            .Select(token => Singular.Of(token.Text))];

    private static T Load<T>(string name, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        using var stream = Resource.Open(name);
        return JsonSerializer.Deserialize(stream, type) ?? throw new InvalidOperationException($"{name} is empty.");
    }
}
