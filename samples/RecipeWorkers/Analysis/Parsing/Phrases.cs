namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Splits the tokens of an ingredient line into phrases that hold one ingredient, or one note, each.</summary>
internal static class Phrases
{
    public static IEnumerable<List<Token>> Split(IReadOnlyList<Token> tokens)
    {
        foreach (var chunk in SplitAtCommas(tokens))
            foreach (var phrase in SplitAtConjunctions(chunk))
                if (phrase.Count > 0)
                    yield return phrase;
    }

    /// <summary>The name in a phrase: up to a note, an alternative or a bracket.</summary>
    public static CanonicalName NameOf(IReadOnlyList<Token> phrase, int from, out int end)
    {
        var words = new List<string>();
        end = from;
        while (end < phrase.Count && phrase[end].IsWord)
        {
            int length = Foods.LongestAt(phrase, end, isCorrected: true).Length;
            if (length > 1)
            {
                words.AddRange(phrase.Skip(end).Take(length).Select(token => token.Text));
                end += length;
                continue;
            }

            string word = phrase[end].Text;
            if (word is "or" && !HasNoun(words)) words.AddRange(NounBehindAlternative(phrase, end));
            if (Vocabulary.OpensNote(word) && (words.Count > 0 || word is "for" or "to")) break;
            words.Add(word);
            end++;
        }

        return IngredientName.Canonicalize(words);
    }

    /// <summary>Removes "juice of", "zest and juice of": what is bought is the fruit.</summary>
    public static List<Token> WithoutJuiceOf(List<Token> phrase)
    {
        int of = phrase.FindIndex(token => token.Is("of"));
        if (of < 1) return phrase;
        var before = phrase.Take(of).ToList();
        bool isExtract = before.Exists(token => token.IsWord && token.Text is "juice" or "zest" or "rind" or "peel");
        return isExtract && before.TrueForAll(IsExtractWord) ? phrase[(of + 1)..] : phrase;
    }

    private static bool IsExtractWord(Token token) =>
        token.IsWord && (token.Text is "juice" or "zest" or "rind" or "peel" or "and" or "the" or "a" or "plus"
            || Vocabulary.IsDropped(token.Text));

    // "red or green pepper": the noun stands behind the second colour.
    private static IEnumerable<string> NounBehindAlternative(IReadOnlyList<Token> phrase, int or)
    {
        int end = or + 1;
        while (end < phrase.Count && phrase[end].IsWord && !Vocabulary.OpensNote(phrase[end].Text)) end++;
        return end > or + 1 ? [phrase[end - 1].Text] : [];
    }

    private static bool HasNoun(List<string> words) =>
        words.Exists(word => !Vocabulary.IsDropped(word) && !Vocabulary.IsModifier(word)) || words.Count == 0;

    private static IEnumerable<List<Token>> SplitAtCommas(IReadOnlyList<Token> tokens)
    {
        var current = new List<Token>();
        int depth = 0;
        foreach (var token in tokens)
        {
            depth = Math.Max(0, depth + token.Kind switch { TokenKind.Open => 1, TokenKind.Close => -1, _ => 0 });
            if (depth == 0 && token.Kind is TokenKind.Comma or TokenKind.Stop or TokenKind.Break)
            {
                yield return current;
                current = [];
            }
            else
                current.Add(token);
        }

        yield return current;
    }

    private static IEnumerable<List<Token>> SplitAtConjunctions(List<Token> source)
    {
        var phrase = WithoutJuiceOf(Strip(source));
        while (BoundaryOf(phrase) is var at and >= 0)
        {
            if (at > 0) yield return phrase[..at];
            phrase = WithoutJuiceOf(Strip(phrase[(at + 1)..]));
        }

        yield return phrase;
    }

    private static int BoundaryOf(List<Token> phrase)
    {
        int depth = 0;
        for (int i = 0; i < phrase.Count; i++)
        {
            depth = Math.Max(0, depth + phrase[i].Kind switch { TokenKind.Open => 1, TokenKind.Close => -1, _ => 0 });
            if (depth == 0 && IsConjunction(phrase[i]) && IsBoundary(phrase, i)) return i;
        }

        return -1;
    }

    private static bool IsConjunction(Token token) => token.IsWord && token.Text is "and" or "plus" or "with";

    private static bool IsBoundary(List<Token> phrase, int at)
    {
        var right = phrase[(at + 1)..];
        if (right.Count == 0) return false;
        if (at == 0) return true;
        if (right[0].IsWord && right[0].Text is "more" or "extra" || IsOneFood(phrase, at)) return false;

        int leftAt = 0;
        bool hasMeasure = MeasureParser.TryRead(phrase[..at], ref leftAt, out _);
        var left = NameOf(phrase[..at], leftAt, out _);
        if (left.IsEmpty) return false;
        int rightAt = 0;
        if (MeasureParser.TryRead(right, ref rightAt, out var measure)
            && (rightAt < right.Count || measure.UnitWord is not null))
            return rightAt < right.Count;
        return (hasMeasure || left.Food is not null) && NameOf(right, 0, out _).Food is not null
            && !Vocabulary.OpensNote(right[0].Text);
    }

    // "half and half", "salt and vinegar crisps": the conjunction is inside a name the lexicon has.
    private static bool IsOneFood(List<Token> phrase, int at)
    {
        for (int from = Math.Max(0, at - 3); from < at; from++)
            if (from + Foods.LongestAt(phrase, from, isCorrected: false).Length > at)
                return true;
        return false;
    }

    private static List<Token> Strip(List<Token> phrase)
    {
        int from = 0;
        while (from < phrase.Count
            && (phrase[from].Kind is TokenKind.Dash or TokenKind.Colon || IsFiller(phrase, from)))
            from++;
        return phrase[from..];
    }

    // "maybe a dash of vinegar", "and then 2 eggs".
    private static bool IsFiller(List<Token> phrase, int at)
    {
        if (!phrase[at].IsWord || MeasureParser.TryRead(phrase, ref at, out _)) return false;
        string word = phrase[at].Text;
        if (word is "and" or "plus" or "also" or "then") return true;
        return Vocabulary.IsStop(word) && !Vocabulary.IsDropped(word) && !Vocabulary.IsModifier(word)
            && !Vocabulary.OpensNote(word) && !Vocabulary.IsPreparation(word) && !Lexicon.HasWord(word);
    }
}
