namespace RecipeWorkers.Analysis.Parsing;

/// <summary>English plurals of food words to their singular.</summary>
internal static class Singular
{
    private static readonly Dictionary<string, string> Irregular = new()
    {
        ["leaves"] = "leaf",
        ["loaves"] = "loaf",
        ["halves"] = "half",
        ["calves"] = "calf",
        ["knives"] = "knife",
        ["cookies"] = "cookie",
        ["brownies"] = "brownie",
        ["pies"] = "pie",
        ["chillies"] = "chilli",
        ["chilies"] = "chili",
        ["chiles"] = "chile",
        ["ladies"] = "lady",
        ["anchovies"] = "anchovy",
        ["potatos"] = "potato",
        ["tomatos"] = "tomato",
        ["radishes"] = "radish",
        ["geese"] = "goose",
        ["smoothies"] = "smoothie",
        ["veggies"] = "vegetable",
        ["shoes"] = "shoe",
        ["avocadoes"] = "avocado",
        ["olives"] = "olive",
        ["chives"] = "chive",
        ["endives"] = "endive",
        ["cloves"] = "clove",
        ["sprouts"] = "sprout",
    };

    // Words whose "s" is their own.
    private static readonly HashSet<string> Invariable =
        ["hummus", "houmous", "couscous", "cous", "asparagus", "molasses", "citrus", "swiss", "brussels", "octopus",
            "bass", "watercress", "cress", "cos", "schnapps",
         "grits", "haggis", "bitters", "krispies", "goats", "confectioners", "birds", "herbes", "pois", "asafoetida",
         "lemongrass", "glass", "swordfish", "molluscs",
         "quarters", "less", "gas", "gress", "cactus", "hibiscus", "physalis", "ras", "angus", "jus", "cassis",
         "pastis", "mass", "aminos"];

    public static string Of(string word)
    {
        if (Irregular.TryGetValue(word, out string? singular)) return singular;
        if (word.Length < 4 || !word.EndsWith('s') || word.EndsWith("ss", StringComparison.Ordinal)
            || word.EndsWith("'s", StringComparison.Ordinal) || Invariable.Contains(word))
            return word;
        if (word.EndsWith("ies", StringComparison.Ordinal) && word.Length > 4) return word[..^3] + "y";
        if (EndsWithAny(word, "oes", "ches", "shes", "sses", "xes")) return word[..^2];
        return word.EndsWith("us", StringComparison.Ordinal) ? word : word[..^1];
    }

    private static bool EndsWithAny(string word, params ReadOnlySpan<string> endings)
    {
        foreach (string ending in endings)
            if (word.EndsWith(ending, StringComparison.Ordinal)) return true;
        return false;
    }
}
