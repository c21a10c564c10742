namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Parses a line that is an ingredient list or one entry of it.</summary>
internal static class ItemParser
{
    public static List<Found> Parse(IReadOnlyList<Token> tokens)
    {
        var state = new Line(Phrases.Split(tokens).ToList());
        foreach (var phrase in state.Phrases)
            Take(state, phrase);
        return state.Found;
    }

    private sealed class Line(List<List<Token>> phrases)
    {
        public List<List<Token>> Phrases { get; } = phrases;

        public List<Found> Found { get; } = [];

        /// <summary>An amount whose name stands behind the next comma: "2 large, ripe tomatoes".</summary>
        public Measure? Pending { get; set; }

        /// <summary>An amount that holds for each of the names that follow.</summary>
        public Measure? Shared { get; set; }

        /// <summary>A list of names rather than one name and notes on it.</summary>
        public bool IsList { get; } = phrases.Count(IsNameAlone) >= 3;
    }

    private static void Take(Line line, List<Token> phrase)
    {
        if (phrase[0].IsWord && IsNegation(phrase[0].Text)) return;
        int at = 0;
        if (MeasureParser.TryRead(phrase, ref at, out var measure))
            TakeMeasured(line, phrase, at, measure);
        else
            TakeNamed(line, phrase);
    }

    private static void TakeMeasured(Line line, List<Token> phrase, int at, Measure measure)
    {
        if (at < phrase.Count && phrase[at].IsWord
            && (Vocabulary.IsNonFood(phrase[at].Text) && Lexicon.Find([phrase[at].Text]) is null))
            return;
        var name = Phrases.NameOf(phrase, at, out _);
        if (!name.IsEmpty)
        {
            line.Found.Add(new Found(name, measure));
            line.Shared = measure.IsEach || measure.Unit == "pinch" ? measure : null;
        }
        else if (measure.UnitWord is { } word && Lexicon.Find([word]) is { } food)
            line.Found.Add(
                new Found(new CanonicalName(food.Name, food, null), measure with { Unit = "piece", UnitWord = null }));
        else if (measure.IsEach && line.Found.Count > 0)
            line.Found.ForEach(found => found.Measure ??= measure);
        else if (line.Found.Count > 0 && line.Found[^1].Measure is null)
            line.Found[^1].Measure = measure;
        else
            line.Pending = measure;
    }

    private static void TakeNamed(Line line, List<Token> phrase)
    {
        var name = Phrases.NameOf(phrase, 0, out int end);
        if (name.IsEmpty) return;
        var trailing = MeasureBehind(phrase, end);
        if (line.Found.Count > 0 && trailing is null && line.Pending is null && IsNote(line, phrase, name)) return;
        if (line.Found.Count == 0 && trailing is null && Vocabulary.IsVerb(phrase[0].Text) && name.Food is null) return;

        line.Found.Add(new Found(name, trailing ?? line.Pending ?? line.Shared));
        line.Pending = null;
    }

    private static bool IsNote(Line line, List<Token> phrase, CanonicalName name)
    {
        string first = phrase[0].Text;
        if (name.Food is not null
            && Foods.LongestAt(phrase, 0, isCorrected: false).Length == phrase.Count(token => token.IsWord))
            return false;
        if (Vocabulary.OpensNote(first)) return true;
        if (Vocabulary.IsPreparation(first) && !(Vocabulary.IsDropped(first) && name.Food is not null)) return true;
        if (Vocabulary.IsVerb(first) && name.Food is null) return true;
        return name.Food is null && !line.IsList;
    }

    // "flour - 200 g", "butter (100 g)", "eggs x2", "milk: half a cup", "eggs 3".
    private static Measure? MeasureBehind(List<Token> phrase, int end)
    {
        for (int i = end; i < phrase.Count; i++)
        {
            bool isMarked = i > 0 && phrase[i - 1].Kind is TokenKind.Dash or TokenKind.Colon or TokenKind.Open
                || phrase[i - 1].Is("x");
            if (!phrase[i].IsNumber && !isMarked) continue;
            int at = i;
            if (MeasureParser.TryRead(phrase, ref at, out var measure) && IsEndOfMeasure(phrase, at)) return measure;
        }

        return null;
    }

    private static bool IsEndOfMeasure(List<Token> phrase, int at) =>
        at >= phrase.Count || !phrase[at].IsWord || Vocabulary.OpensNote(phrase[at].Text)
            || Vocabulary.IsPreparation(phrase[at].Text);

    private static bool IsNameAlone(List<Token> phrase)
    {
        int at = 0;
        if (MeasureParser.TryRead(phrase, ref at, out _)) return true;
        return Phrases.NameOf(phrase, 0, out _).Food is not null && !Vocabulary.OpensNote(phrase[0].Text);
    }

    private static bool IsNegation(string word)
        => word is "no" or "without" or "not" or "omit" or "skip" or "minus" or "except";
}
