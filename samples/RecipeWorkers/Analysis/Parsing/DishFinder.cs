using System.Text.RegularExpressions;

namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Finds what is being cooked: a title, a label, or "I'm making …".</summary>
internal static partial class DishFinder
{
    private const int LongestTitle = 9;

    public static string? Find(IReadOnlyList<string> lines)
    {
        if (lines.Count == 0) return null;
        foreach (string line in lines)
            if (Label().Match(line) is { Success: true } label)
                return Clean(label.Groups[1].Value);

        if (IsTitle(lines)) return Clean(lines[0]);
        foreach (string line in lines)
            if (Announcement().Match(line) is { Success: true } announced
                && Clean(announced.Groups[1].Value) is { } dish)
                return dish;

        return InFirstLine(lines[0]) ?? lines.Select(DishNames.Find).FirstOrDefault(name => name is not null);
    }

    private static string? InFirstLine(string line)
    {
        if (OpeningSentence(line) is { } opening) return Clean(opening);
        return BeforeColon(line)
            ?? (Trailing().Match(line) is { Success: true } recipe ? Clean(recipe.Groups[1].Value) : null);
    }

    /// <summary>Whether the line is "Dish: …": said already, not to be read for ingredients.</summary>
    public static bool IsLabelled(string line) => Label().IsMatch(line);

    /// <summary>Whether the first line is a title: short, no amounts, and something follows it.</summary>
    public static bool IsTitle(IReadOnlyList<string> lines)
    {
        string first = lines[0];
        if (first.StartsWith('#') && Heading.Find(first, out _) is null) return true;
        if (lines.Count < 2 || Heading.Find(first, out _) is not null || Heading.IsMeta(first)) return false;
        if (Announcement().IsMatch(first) || first.EndsWith(',')) return false;
        var tokens = Sentences.WithoutBullet(Tokenizer.Tokenize(WithoutTail(first)), out bool isBulleted, out _);
        if (tokens.Count == 0 || tokens.Count(token => token.IsWord) > LongestTitle
            || tokens.Exists(token => token.Kind == TokenKind.Comma))
            return false;
        if (isBulleted && Sentences.IsItem(tokens, isBulleted) && !first.Contains(TextNormalizer.BreakMark))
            return false;
        if (tokens.Exists(token => token.IsNumber || token.Kind == TokenKind.Colon)) return false;
        if (Vocabulary.IsVerb(tokens[0].Text) && !Vocabulary.IsPreparation(tokens[0].Text)
            && Lexicon.Find([tokens[0].Text]) is null && !tokens.Exists(token => Vocabulary.IsDishNoun(token.Text)))
            return false;
        return Lexicon.Find(tokens.Select(token => token.Text)) is null
            || !Sentences.IsItem(Tokenizer.Tokenize(lines[1]), false) || lines.Count == 2;
    }

    // "My gran's tomato soup. You need …"
    private static string? OpeningSentence(string line)
    {
        int end = line.IndexOfAny(['.', '!']);
        if (end < 0 || end > 60) return null;
        var tokens = Tokenizer.Tokenize(line[..end]);
        bool isName = tokens.TrueForAll(token => token.IsWord) && tokens.Exists(
            token => Vocabulary.IsDishNoun(Singular.Of(token.Text)) || Vocabulary.IsDishNoun(token.Text));
        return isName && !Vocabulary.IsVerb(tokens[0].Text) && tokens.Count <= LongestTitle ? line[..end] : null;
    }

    private static string? BeforeColon(string line)
    {
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0) return null;
        int start = line[..colon].LastIndexOfAny(['.', '!', '?']) + 1;
        var tokens = Tokenizer.Tokenize(line[start..]);
        if (!Sentences.TrySplitLabel(tokens, out var label, out var rest) || rest.Count == 0) return null;
        string text = string.Join(' ', label.Select(token => token.Raw));
        return Heading.Find(text, out _) is null && !label.TrueForAll(token => Vocabulary.IsStop(token.Text))
            ? Clean(text)
            : null;
    }

    private static string WithoutTail(string text) => Tail().Replace(text, "");

    private static string? Clean(string text)
    {
        string dish = WithoutTail(text.Replace(TextNormalizer.BreakMark.ToString(), " ")).Trim(
            ' ', '#', '-', '_', ':', '.', '!', '"', ',', '?', '~', '>');
        dish = Lead().Replace(dish, "");
        dish = RecipeWord().Replace(dish, "").Trim(' ', ':', '-', '!', '.');
        dish = Blanks().Replace(dish, " ");
        if (Tokenizer.Tokenize(dish)
            .TrueForAll(token => Vocabulary.IsStop(token.Text) || Vocabulary.IsVerb(token.Text)))
            return null;
        return dish.Length < 3 || PointingBack().IsMatch(dish) ? null : dish;
    }

    [GeneratedRegex(
        @"^[\s\-#\u0001_]*(?:dish|recipe(?: name)?|title|name)_*\s*[:=\-]\s*(.+)$", RegexOptions.IgnoreCase)]
    private static partial Regex Label();

    [GeneratedRegex(
        @"\b(?:recipe for|how (?:do i|to|i|we|you) (?:usually |always )?(?:make|cook|bake|prepare)"
            + "|(?:want|wanted|like|love|going|planning|trying|try|need|decided|plan|about) to "
            + "(?:make|cook|bake|prepare)|gonna (?:make|cook|bake)"
            + "|(?:i'm|im|i am|we're|we are|be|was|am|are|been|started) (?:making|cooking|baking|preparing|doing)"
            + "|(?:i|we) (?:made|make|cooked|baked|cook|bake)"
            + "|(?:i'll|let's|lets|we'll|will|can|could|usually|always|for|to) "
            + "(?:make|cook|bake|be making|be cooking)|this is (?:how i make|my)"
            + "|(?:here's|heres|here is) (?:how i make|how to make|my|the recipe for|a recipe for)|making"
            + "|(?:ingredients|need|stuff|things|shopping) for|ingredients of|dinner is|supper is|lunch is) "
            + @"([^.,:;!?\n(\u0001]+)",
        RegexOptions.IgnoreCase)]
    private static partial Regex Announcement();

    [GeneratedRegex(@"^([^.,:;!?(\n]{3,50}?) recipe\b", RegexOptions.IgnoreCase)]
    private static partial Regex Trailing();

    [GeneratedRegex(
        @"\s*(?:\(.*$|\[.*$|\s(?:with|using|made|from"
            + @"|for (?:the|my|our|a|\d[\d\-]*|tonight|dinner|lunch|two|four|six)|tonight|tomorrow|today|this|and i|but"
            + "|so|you|i (?:need|use)|we (?:need|use)|which|that|out of|serves|- serves|- easy|in the|needs?|takes|by"
            + @"|because|when|where|and (?:then|for|it)|\d+)\b.*$|\s-\s.*$|\bserves \d.*$)",
        RegexOptions.IgnoreCase)]
    private static partial Regex Tail();

    [GeneratedRegex(
        @"^(?:(?:\d+|a|an|the|some|my|our|this|your|quick|easy|simple|homemade|classic|best|big|batch of|shopping for"
            + "|stuff for|recipe for|ingredients for|pot of|pan of|nice|good|little|lovely|bowl of|plate of)"
            + @"\s+)+(?=\w)",
        RegexOptions.IgnoreCase)]
    private static partial Regex Lead();

    [GeneratedRegex(@"\brecipe\b.*$", RegexOptions.IgnoreCase)]
    private static partial Regex RecipeWord();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@"^(?:it|this|them|that|these|something|dinner|lunch|one|for|sure)\b", RegexOptions.IgnoreCase)]
    private static partial Regex PointingBack();
}
