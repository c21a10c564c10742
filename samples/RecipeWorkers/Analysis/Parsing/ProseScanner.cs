namespace RecipeWorkers.Analysis.Parsing;

/// <summary>
/// Picks ingredients out of sentences: amounts with what follows them, and known foods named in passing.
/// </summary>
internal sealed class ProseScanner(List<Found> found, bool isMeasuredOnly)
{
    private const int LongestPrefix = 4;
    private Measure? _shared;

    /// <summary>Where the last ingredient ended; an amount right behind it is its own ("flour 200 g").</summary>
    private int _lastEnd = -1;

    public void Scan(IReadOnlyList<Token> tokens)
    {
        _shared = null;
        _lastEnd = -1;
        for (int i = 0; i < tokens.Count;)
            i = Step(tokens, i);
    }

    private int Step(IReadOnlyList<Token> tokens, int i)
    {
        if (IsNegation(tokens, i, out int end)) return end;
        if (tokens[i].Kind is TokenKind.Stop or TokenKind.Break
            || (tokens[i].IsWord && Vocabulary.IsVerb(tokens[i].Text)))
            _shared = null;
        if (IsExtract(tokens, i, out end)) return end;

        int next = i;
        if (!IsTime(tokens, i, out end) && MeasureParser.TryRead(tokens, ref next, out var measure))
            return TakeMeasured(tokens, i, next, measure);
        if (end > i) return end;
        return tokens[i].IsWord ? TakeMention(tokens, i) : i + 1;
    }

    private int TakeMeasured(IReadOnlyList<Token> tokens, int start, int at, Measure measure)
    {
        if (measure.UnitWord is { } word && Lexicon.Find([word]) is { } itself
            && (at >= tokens.Count || !tokens[at].IsWord || Vocabulary.IsStop(tokens[at].Text)))
        {
            Add(new CanonicalName(itself.Name, itself, null), measure with { Unit = "piece" }, false, at);
            return at;
        }

        if (!TryReadName(tokens, at, measure, out var name, out int end))
        {
            if (IsRightBehind(tokens, start) && found.Count > 0 && found[^1].Measure is null
                && (measure.Unit is not null || tokens[start].IsNumber))
                found[^1].Measure = measure;
            return measure.IsVague || !tokens[start].IsNumber
                ? Math.Max(start + 1, measure.Unit is null ? start + 1 : at)
                : at;
        }

        bool isPointingBack = tokens[at - 1].IsWord && tokens[at - 1].Text is "the";
        Add(name, measure, isPointingBack, end);
        _shared = measure.IsEach || measure.Unit == "pinch" ? measure : null;
        return end;
    }

    // "milk (1 l)", "flour 200 g", "eggs x 2".
    private bool IsRightBehind(IReadOnlyList<Token> tokens, int start) =>
        start == _lastEnd || (start == _lastEnd + 1 && start > 0
            && (tokens[start - 1].Kind is TokenKind.Open or TokenKind.Dash or TokenKind.Colon
                || tokens[start - 1].Is("x")));

    private static bool TryReadName(
        IReadOnlyList<Token> tokens, int at, Measure measure, out CanonicalName name, out int end)
    {
        var words = new List<string>();
        for (end = at; end < tokens.Count && tokens[end].IsWord && words.Count <= LongestPrefix; end++)
        {
            var (food, length) = Foods.LongestAt(tokens, end, isCorrected: true);
            if (food is not null && !(length == 1 && Vocabulary.IsModifier(tokens[end].Text)))
            {
                words.AddRange(tokens.Skip(end).Take(length).Select(token => token.Text));
                end += length;
                TakePart(tokens, words, ref end);
                name = IngredientName.Canonicalize(words);
                return true;
            }

            string word = tokens[end].Text;
            if (!IsAdjective(word) && (Vocabulary.IsStop(word) || Vocabulary.IsVerb(word) || Vocabulary.IsNonFood(word)
                || Vocabulary.OpensNote(word)))
                break;
            words.Add(word);
        }

        name = IngredientName.Canonicalize(words);
        // Without a lexicon entry only a real unit says that this is food at all.
        return !name.IsEmpty && measure.UnitWord is not null && !words.TrueForAll(IsAdjective);
    }

    private static bool IsAdjective(string word) => Vocabulary.IsDropped(word) || Vocabulary.IsModifier(word);

    // "2 garlic cloves", "a few basil leaves".
    private static void TakePart(IReadOnlyList<Token> tokens, List<string> words, ref int end)
    {
        if (end >= tokens.Count || !tokens[end].IsWord) return;
        if (IngredientName.Canonicalize([.. words, tokens[end].Text]).TrailingUnit is null) return;
        words.Add(tokens[end].Text);
        end++;
    }

    private int TakeMention(IReadOnlyList<Token> tokens, int i)
    {
        bool isListed = i > 0 && (tokens[i - 1].Kind is TokenKind.Comma or TokenKind.Colon
            || (tokens[i - 1].IsWord && tokens[i - 1].Text is "and" or "with" or "add" or "of" or "or" or "plus"
                || tokens[i - 1].IsWord && IsAdjective(tokens[i - 1].Text)));
        var (food, length) = Foods.LongestAt(tokens, i, isListed);
        if (food is null) return i + 1;
        if (length == 1 && !IsNoun(tokens, i)) return i + 1;
        int end = i + length;
        if (end < tokens.Count && tokens[end].IsWord && Vocabulary.IsDishNoun(tokens[end].Text)) return end + 1;
        if (isMeasuredOnly && _shared is null) return Math.Max(end, i + 1);

        var words = ModifiersBefore(tokens, i).Concat(tokens.Skip(i).Take(length).Select(token => token.Text)).ToList();
        TakePart(tokens, words, ref end);
        bool isPointingBack = i > 0 && tokens[i - 1].IsWord
            && tokens[i - 1].Text is "the" or "this" or "that" or "these" or "those";
        if (!ContinuesList(tokens, i)) _shared = null;
        Add(IngredientName.Canonicalize(words), _shared, isPointingBack, end);
        return end;
    }

    // A shared amount reaches as far as the names follow each other: "a pinch of salt and pepper".
    private bool ContinuesList(IReadOnlyList<Token> tokens, int i)
    {
        for (int k = Math.Max(_lastEnd, 0); k < i; k++)
            if (tokens[k].Kind != TokenKind.Comma && !tokens[k].Is("and")
                && !(tokens[k].IsWord && IsAdjective(tokens[k].Text)))
                return false;
        return true;
    }

    private static IEnumerable<string> ModifiersBefore(IReadOnlyList<Token> tokens, int i)
    {
        int from = i;
        while (from > 0 && i - from < 2 && tokens[from - 1].IsWord && Vocabulary.IsModifier(tokens[from - 1].Text)
            && !Vocabulary.IsVerb(tokens[from - 1].Text))
            from--;
        return tokens.Skip(from).Take(i - from).Select(token => token.Text);
    }

    // "cream the butter", "roll it out", "water the plants": a verb that spells like a food.
    private static bool IsNoun(IReadOnlyList<Token> tokens, int i)
    {
        string word = tokens[i].Text;
        if (i > 0 && tokens[i - 1].IsWord && tokens[i - 1].Text is "to" && Vocabulary.IsVerb(word)) return false;
        if (Vocabulary.IsDropped(word) || (Vocabulary.IsStop(word) && !Vocabulary.IsVerb(word))) return false;
        bool isVerbLike = Vocabulary.IsVerb(word)
            || word is "juice" or "flour" or "oil" or "butter" or "salt" or "steam" or "date" or "zest" or "water";
        bool isObjectBehind = i + 1 < tokens.Count && tokens[i + 1].IsWord
            && tokens[i + 1].Text is "the" or "it" or "them" or "together" or "your" or "a" or "up" or "out" or "each";
        return !isVerbLike || !isObjectBehind && !(Vocabulary.IsVerb(word) && i == 0);
    }

    private void Add(CanonicalName name, Measure? measure, bool isPointingBack, int end)
    {
        _lastEnd = end;
        var known = found.Find(item => Covers(item.Name.Text, name.Text));
        if (known is null)
        {
            if (isMeasuredOnly && (name.Food is null || isPointingBack)) return;
            if (isPointingBack && found.Count > 0 && Vocabulary.IsGeneric(name.Text)) return;
            found.Add(new Found(name, measure));
            return;
        }

        if (measure is null || isPointingBack || isMeasuredOnly) return;
        if (known.Measure is null)
        {
            known.Measure = measure;
            if (known.Name.Text != name.Text)
                found[found.IndexOf(known)] = new Found(
                    name.Text.Length > known.Name.Text.Length ? name : known.Name, measure);
        }
        else if (!measure.IsVague)
            found.Add(new Found(name, measure));
    }

    private static bool Covers(string known, string name) =>
        known == name || known.EndsWith(" " + name, StringComparison.Ordinal)
            || known.StartsWith(name + " ", StringComparison.Ordinal);

    // "juice of a lemon", "the zest and juice of 1 lime".
    private static bool IsExtract(IReadOnlyList<Token> tokens, int i, out int end)
    {
        end = i;
        while (end < tokens.Count && tokens[end].IsWord && tokens[end].Text is "juice" or "zest" or "rind" or "and")
            end++;
        bool isExtract = end > i && tokens[i].Text is not "and" && end < tokens.Count && tokens[end].Is("of");
        end = isExtract ? end + 1 : i;
        return isExtract;
    }

    // "20 minutes", "180 C", "4 people", "9x13 inch": numbers of something else.
    private static bool IsTime(IReadOnlyList<Token> tokens, int i, out int end)
    {
        end = i;
        int next = i;
        if (!NumberWords.TryRead(tokens, ref next, out double value)) return false;
        while (next < tokens.Count && tokens[next].IsWord && tokens[next].Text is "more" or "or" or "so" or "good"
            or "large" or "small" or "equal" or "big" or "separate")
            next++;
        if (next >= tokens.Count || !tokens[next].IsWord) return false;
        string word = tokens[next].Text;
        bool isOther = (word is "f" or "c" && value >= 90)
            || (Vocabulary.IsNonFood(word) && Units.Find(word) is null && Lexicon.Find([word]) is null);
        if (word is "inch" or "inches" or "cm" or "mm" && next + 1 < tokens.Count && tokens[next + 1].IsWord
            && (Units.Find(tokens[next + 1]) is not null || Lexicon.HasWord(tokens[next + 1].Text)))
            isOther = false;
        if (isOther) end = next + 1;
        return isOther;
    }

    private static bool IsNegation(IReadOnlyList<Token> tokens, int i, out int end)
    {
        end = i;
        if (!tokens[i].IsWord) return false;
        bool isNegation = tokens[i].Text is "no" or "without" or "except" or "omit" or "avoid" or "skip"
            or "hate" or "minus"
            || (i + 1 < tokens.Count && ((tokens[i].Is("instead") && tokens[i + 1].Is("of"))
                || (tokens[i].Is("rather") && tokens[i + 1].Is("than"))
                || (tokens[i].Is("allergic") && tokens[i + 1].Is("to"))
                || (tokens[i].Text is "don't" or "dont" or "doesn't" or "didn't" or "cannot" or "can't" && tokens[i
                    + 1].Text is "have" or "like" or "eat" or "use" or "add" or "need" or "want" or "got")));
        if (!isNegation) return false;
        while (end < tokens.Count
            && tokens[end].Kind is not (TokenKind.Comma or TokenKind.Stop or TokenKind.Break or TokenKind.Close)
            && tokens[end].Text is not ("but" or "then" or "so"))
            end++;
        return true;
    }
}
