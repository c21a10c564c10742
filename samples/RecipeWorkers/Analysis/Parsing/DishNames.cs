namespace RecipeWorkers.Analysis.Parsing;

/// <summary>
/// Finds a dish by its own name ("goulash") or by its last word ("lentil soup") where no phrase announces one.
/// </summary>
internal static class DishNames
{
    private const int LongestLead = 2;

    private static readonly HashSet<string> Known =
        [.. Resource.Lines("dishes.txt").SelectMany(
            line => line.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];

    private static readonly int LongestName = Known.Max(name => name.Split(' ').Length);

    // Of the words that follow a food in a dish, those that are a dish themselves; "sauce" or "batter" may be only a
    // part of one.
    private static readonly HashSet<string> Kinds =
        ["soup", "stew", "curry", "salad", "pie", "cake", "casserole", "risotto", "omelette", "sandwich", "pancake",
            "stir-fry", "gratin", "tart", "muffin", "cookie", "pudding", "burger", "taco",
            "burrito", "chowder", "biryani", "pilaf", "paella", "quiche", "frittata", "smoothie", "bowl", "loaf"];

    public static string? Find(string line)
    {
        var tokens = Tokenizer.Tokenize(line);
        for (int i = 0; i < tokens.Count; i++)
            if (NameAt(tokens, i) is { } known)
                return known;
        for (int i = 1; i < tokens.Count; i++)
            if (tokens[i].IsWord && Kinds.Contains(Singular.Of(tokens[i].Text))
                && Lead(tokens, i) is { Count: > 0 } lead)
                return string.Join(' ', [.. lead, tokens[i].Raw]);
        return null;
    }

    private static string? NameAt(List<Token> tokens, int at)
    {
        for (int length = LongestName; length > 0; length--)
        {
            var words = tokens.Skip(at).Take(length).ToList();
            if (words.Count < length || !words.TrueForAll(word => word.IsWord)) continue;
            string text = string.Join(' ', words.Select(word => word.Text));
            string singular = string.Join(
                ' ', words.Take(length - 1).Select(word => word.Text).Append(Singular.Of(words[^1].Text)));
            // Something measured is an ingredient: "2 tbsp pesto".
            if ((Known.Contains(text) || Known.Contains(singular)) && !IsMeasured(tokens, at))
                return string.Join(' ', words.Select(word => word.Raw));
        }

        return null;
    }

    private static List<string> Lead(List<Token> tokens, int kind)
    {
        var lead = new List<string>();
        for (int i = kind - 1; i >= 0 && lead.Count < LongestLead; i--)
        {
            if (!tokens[i].IsWord || Vocabulary.IsStop(tokens[i].Text) || Vocabulary.IsVerb(tokens[i].Text)
                || Units.Find(tokens[i]) is not null)
                break;
            lead.Insert(0, tokens[i].Raw);
        }

        return lead;
    }

    private static bool IsMeasured(List<Token> tokens, int at)
    {
        for (int from = Math.Max(0, at - 3); from < at; from++)
        {
            int end = from;
            if (MeasureParser.TryRead(tokens, ref end, out var measure) && end == at
                && (measure.UnitWord is not null || tokens[from].IsNumber))
                return true;
        }

        return false;
    }
}
