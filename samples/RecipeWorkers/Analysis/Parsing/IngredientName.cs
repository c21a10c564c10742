namespace RecipeWorkers.Analysis.Parsing;

/// <summary>
/// A canonical name, what the lexicon knows of it, and a unit that stood behind it ("garlic cloves").
/// </summary>
internal sealed record CanonicalName(string Text, Food? Food, string? TrailingUnit)
{
    public bool IsEmpty => Text.Length == 0;
}

/// <summary>Brings names to one form: lower case, singular, without what changes nothing about the shopping.</summary>
internal static class IngredientName
{
    // Cuts and parts that name a portion of the food before them.
    private static readonly HashSet<string> Parts =
        ["clove", "stalk", "stick", "sprig", "slice", "rasher", "floret", "leaf", "head", "piece", "chunk", "wedge",
            "half", "bulb", "strand", "thread", "bunch", "ball", "strip", "stem", "cube"];

    public static string Canonicalize(string name) =>
        Canonicalize(Tokenizer.Tokenize(TextNormalizer.Normalize(name)).Where(token => token.IsWord)
            .Select(token => token.Text)).Text;

    public static CanonicalName Canonicalize(IEnumerable<string> source)
    {
        var words = KeepMeaningful([.. source.Select(Lexicon.Correct)]);
        if (words.Count == 0) return new CanonicalName("", null, null);

        string? unit = TakePart(words);
        if (Lexicon.Find(words) is { } exact) return new CanonicalName(exact.Name, exact, unit);
        for (int from = 1; from < words.Count; from++)
            if (Lexicon.Find(words.Skip(from)) is { } food)
                return new CanonicalName(string.Join(' ', [.. words.Take(from), food.Name]), food, unit);

        words[^1] = Singular.Of(words[^1]);
        return new CanonicalName(string.Join(' ', words), null, unit);
    }

    private static List<string> KeepMeaningful(List<string> words)
    {
        var kept = new List<string>();
        for (int i = 0; i < words.Count;)
        {
            // Inside a known name every word counts: "hot sauce", "crushed red pepper flakes".
            int length = Foods.LongestOf(words[i..]).Length;
            if (length > 1)
            {
                kept.AddRange(words.Skip(i).Take(length));
                i += length;
                continue;
            }

            if (!Vocabulary.IsDropped(words[i])
                && words[i] is not ("of" or "the" or "a" or "an" or "x" or "and" or "each" or "some"))
                kept.Add(words[i]);
            i++;
        }

        return kept;
    }

    private static string? TakePart(List<string> words)
    {
        if (words.Count < 2 || Lexicon.Find(words) is not null) return null;
        string last = Singular.Of(words[^1]);
        if (!Parts.Contains(last) || Lexicon.Find(words[..^1]) is null) return null;
        words.RemoveAt(words.Count - 1);
        return Units.Find(last) is { } unit && Units.MayFollowName(unit) ? unit.Name : "piece";
    }
}
