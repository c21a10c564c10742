namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Cuts a line into sentences and judges what each of them is.</summary>
internal static class Sentences
{
    // A label is a few words: "For the sauce:".
    private const int LongestLabel = 6;
    private const int LongestNameLine = 4;

    public static IEnumerable<List<Token>> Split(IReadOnlyList<Token> tokens)
    {
        var current = new List<Token>();
        foreach (var token in tokens)
        {
            if (token.Kind != TokenKind.Stop)
                current.Add(token);
            else if (current.Count > 0)
            {
                yield return current;
                current = [];
            }
        }

        if (current.Count > 0) yield return current;
    }

    /// <summary>Removes bullet, check box and number in front of a line; tells whether there was one.</summary>
    public static List<Token> WithoutBullet(List<Token> tokens, out bool isBulleted, out bool isNumbered)
    {
        int from = 0;
        isNumbered = false;
        while (from < tokens.Count
            && (tokens[from].Kind is TokenKind.Dash or TokenKind.Break or TokenKind.Colon || tokens[from].Raw == "+"))
            from++;
        from = SkipCheckBox(tokens, from);
        if (from + 2 < tokens.Count && tokens[from].Is("step") && tokens[from + 1].IsNumber) from++;
        if (from + 1 < tokens.Count && (tokens[from].IsNumber || tokens[from].Text.Length == 1)
            && tokens[from + 1].Kind is TokenKind.Stop or TokenKind.Close or TokenKind.Colon
            && tokens[from].Value == Math.Floor(tokens[from].Value))
        {
            isNumbered = true;
            from += 2;
        }

        while (from < tokens.Count && tokens[from].Kind is TokenKind.Dash or TokenKind.Break) from++;
        isBulleted = from > 0;
        return tokens[from..];
    }

    /// <summary>Whether the sentence is a step rather than an entry of a list.</summary>
    public static bool IsStep(IReadOnlyList<Token> sentence)
    {
        if (sentence.Count == 0 || !sentence[0].IsWord || IsMeasured(sentence)) return false;
        if (IsNameLine(sentence)) return false;
        string first = sentence[0].Text;
        if (Vocabulary.IsVerb(first) && Foods.LongestAt(sentence, 0, isCorrected: false).Length < 2) return true;
        bool opensClause = Vocabulary.IsStop(first) || Vocabulary.OpensNote(first);
        return opensClause && sentence.Any(
            token => token.IsWord && Vocabulary.IsVerb(token.Text) && !Vocabulary.IsPreparation(token.Text));
    }

    /// <summary>Whether the sentence outside any list is one: amounts and names, no story around them.</summary>
    public static bool IsItem(IReadOnlyList<Token> sentence, bool isBulleted)
    {
        if (sentence.Count == 0 || IsStep(sentence)) return false;
        var found = ItemParser.Parse(sentence);
        if (found.Count == 0) return false;
        bool hasReal = found.Exists(item => item.Name.Food is not null || item.Measure?.UnitWord is not null);
        if (isBulleted) return hasReal;
        if (sentence.Any(IsStory)) return false;
        int known = found.Count(item => item.Name.Food is not null);
        if (IsMeasured(sentence)) return hasReal && !IsArticleAlone(sentence, known);
        return known > 0 && known * 2 >= found.Count
            && (found.Exists(item => item.Measure is not null) || found.Count > 1 || IsNameLine(sentence));
    }

    /// <summary>The words before a colon when they name what follows, and the tokens behind it.</summary>
    public static bool TrySplitLabel(List<Token> sentence, out List<Token> label, out List<Token> rest)
    {
        int colon = sentence.FindIndex(token => token.Kind == TokenKind.Colon);
        (label, rest) = colon < 0 ? ([], sentence) : (sentence[..colon], sentence[(colon + 1)..]);
        if (colon <= 0 || colon > LongestLabel || label.Exists(token => !token.IsWord)) return false;
        if (rest.Count == 0) return true;
        // "Flour: 200 g" is an entry, "Pancakes: 200 g flour" has a label.
        int at = 0;
        bool isAmountOnly = MeasureParser.TryRead(rest, ref at, out _) && (at >= rest.Count || !rest[at].IsWord
            || Vocabulary.OpensNote(rest[at].Text) || Vocabulary.IsPreparation(rest[at].Text));
        return !isAmountOnly;
    }

    private static int SkipCheckBox(List<Token> tokens, int from)
    {
        if (from >= tokens.Count || tokens[from].Kind != TokenKind.Open) return from;
        int close = from + 1;
        if (close < tokens.Count && tokens[close].Is("x")) close++;
        return close < tokens.Count && tokens[close].Kind == TokenKind.Close ? close + 1 : from;
    }

    private static bool IsMeasured(IReadOnlyList<Token> sentence)
    {
        int at = 0;
        return MeasureParser.TryRead(sentence, ref at, out _);
    }

    private static bool IsNameLine(IReadOnlyList<Token> sentence)
    {
        var words = sentence.TakeWhile(token => token.IsWord).Select(token => token.Text).ToList();
        return words.Count == sentence.Count && words.Count <= LongestNameLine
            && IngredientName.Canonicalize(words).Food is not null
            && !(Vocabulary.IsVerb(words[0]) && words.Count > 1 && Lexicon.Find(words) is null);
    }

    // "A quick supper": an article in front of no food opens a story.
    private static bool IsArticleAlone(IReadOnlyList<Token> sentence, int known) =>
        sentence[0].IsWord && sentence[0].Text is "a" or "an" or "some" or "several" or "one" && known == 0;

    private static bool IsStory(Token token) =>
        token.IsWord && (token.Text is "i" or "i'm" or "im" or "we" or "you" or "is" or "are" or "was" or "my" or "have"
            or "it" or "them" or "then" or "until" or "i've" or "this" or "you'll" or "i'd" or "made"
            || (Vocabulary.IsVerb(token.Text) && !Vocabulary.IsPreparation(token.Text) && !Lexicon.HasWord(token.Text)
                && !Vocabulary.IsDropped(token.Text)
                && token.Text is not ("cooking" or "frying" or "dusting" or "greasing" or "brushing" or "serving"
                    or "rolling" or "garnish" or "serve" or "taste" or "drizzling" or "sprinkling"
                    or "dipping" or "need" or "crumble" or "baking" or "topping" or "coating" or "use" or "stewing"
                    or "whipping" or "roasting" or "braising" or "season" or "cover" or "fry" or "strips")));
}
