namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Reads "2 x 400 g cans of", "a couple of", "1 cup plus 2 tbsp", "a pinch of" at a position.</summary>
internal static class MeasureParser
{
    private static readonly string[][] VagueAmounts =
    [
        ["a", "little", "bit", "of"], ["a", "little"], ["a", "bit", "of"], ["bit", "of"], ["a", "lot", "of"],
        ["lots", "of"], ["plenty", "of"], ["loads", "of"], ["some", "more"], ["some"],
        ["enough"], ["a", "good", "amount", "of"], ["a", "generous", "amount", "of"], ["a", "small", "amount", "of"],
        ["several"],
    ];

    public static bool TryRead(IReadOnlyList<Token> tokens, ref int at, out Measure measure)
    {
        int i = at;
        SkipApproximation(tokens, ref i);
        if (TryReadVague(tokens, ref i))
        {
            measure = ReadAfterVague(tokens, ref i);
            at = i;
            return true;
        }

        bool isArticle = i < tokens.Count && tokens[i].IsWord && tokens[i].Text is "a" or "an";
        if (NumberWords.TryRead(tokens, ref i, out double value))
        {
            measure = ReadAfterNumber(tokens, ref i, value, isArticle && tokens[i - 1].Text is "a" or "an");
            at = i;
            return true;
        }

        measure = new Measure(null, null, null, false, false);
        if (!TryReadStandalone(tokens, ref i, out measure)) return false;
        at = i;
        return true;
    }

    private static void SkipApproximation(IReadOnlyList<Token> tokens, ref int i)
    {
        while (i < tokens.Count && tokens[i].IsWord
            && tokens[i].Text is "about" or "approx" or "approximately" or "around" or "roughly" or "circa" or "nearly"
                or "almost" or "max" or "scant" or "generous" or "another" or "extra" or "ca")
            i++;
        if (i + 1 < tokens.Count
            && ((tokens[i].Is("up") && tokens[i + 1].Is("to")) || (tokens[i].Is("at") && tokens[i + 1].Is("least"))))
            i += 2;
    }

    private static bool TryReadVague(IReadOnlyList<Token> tokens, ref int i)
    {
        foreach (string[] phrase in VagueAmounts)
        {
            if (i + phrase.Length > tokens.Count) continue;
            int start = i;
            if (phrase.Where((word, offset) => !tokens[start + offset].Is(word)).Any()) continue;
            i += phrase.Length;
            return true;
        }

        return false;
    }

    // "a little splash of oil", "some slices of bread": the unit says nothing without a number.
    private static Measure ReadAfterVague(IReadOnlyList<Token> tokens, ref int i)
    {
        int next = i;
        SkipDropped(tokens, ref next);
        if (next + 1 < tokens.Count && Units.Find(tokens[next]) is not null && tokens[next + 1].Is("of")) i = next + 1;
        SkipOf(tokens, ref i);
        return new Measure(null, null, null, false, false);
    }

    private static bool TryReadStandalone(IReadOnlyList<Token> tokens, ref int i, out Measure measure)
    {
        measure = new Measure(null, null, null, false, false);
        int next = i;
        SkipDropped(tokens, ref next);
        if (next >= tokens.Count || !tokens[next].IsWord || !Units.StandsAlone(tokens[next].Text)
            || Units.Find(tokens[next]) is not { } unit)
            return false;
        if (next + 1 < tokens.Count && !tokens[next + 1].Is("of")
            && !(unit.Name is "pinch" or "handful" or "tsp" or "tbsp"))
            return false;
        bool isPlural = Singular.Of(tokens[next].Text) != tokens[next].Text;
        measure = new Measure(isPlural || unit.Name is null ? null : unit.Factor, isPlural ? null : unit.Name,
            tokens[next].Text, false, false);
        i = next + 1;
        measure = measure with { IsEach = SkipEach(tokens, ref i) };
        SkipOf(tokens, ref i);
        return true;
    }

    private static Measure ReadAfterNumber(IReadOnlyList<Token> tokens, ref int i, double value, bool isArticle)
    {
        // "2-inch piece of ginger": one piece, whatever its length.
        if (SkipLength(tokens, ref i)) value = 1;
        bool isSized = TryReadSize(tokens, ref i, out double size);
        var unit = ReadUnit(tokens, ref i, out string? word);
        if (isSized && unit?.Dimension is Dimension.Mass or Dimension.Volume)
        {
            if (TryReadContainer(tokens, ref i, out var container))
                return Finish(tokens, ref i, value, container, container.Name);
            // "a 1/2 cup" is half a cup; "3 x 150 g fillets" are three.
            return isArticle ? Finish(tokens, ref i, size, unit, word) : Finish(tokens, ref i, value, null, null);
        }

        if (isSized && unit is null && isArticle) value = size;
        if (unit?.Dimension is Dimension.Mass or Dimension.Volume)
        {
            SkipAlternative(tokens, ref i);
            if (TryReadContainer(tokens, ref i, out var container))
                return Finish(tokens, ref i, 1, container, container.Name);
            value = AddSecond(tokens, ref i, value, unit);
            SkipShape(tokens, ref i);
        }

        return Finish(tokens, ref i, value, unit, word);
    }

    private static Measure Finish(IReadOnlyList<Token> tokens, ref int i, double value, Unit? unit, string? word)
    {
        SkipBrackets(tokens, ref i);
        if (i + 2 < tokens.Count && tokens[i].Is("and") && tokens[i + 1].Is("a") && tokens[i + 2].Is("half"))
            (value, i) = (value + 0.5, i + 3);
        bool isEach = SkipEach(tokens, ref i);
        SkipOf(tokens, ref i);
        if (unit is null) return new Measure(Round(value), null, null, true, isEach);
        return unit.Dimension == Dimension.Vague
            ? new Measure(null, null, word, false, isEach)
            : new Measure(Round(value * unit.Factor), unit.Name, word, false, isEach);
    }

    // "2 x 400", "1 14(-oz)", "1 (400 g)", "1 2-inch".
    private static bool TryReadSize(IReadOnlyList<Token> tokens, ref int i, out double size)
    {
        size = 0;
        SkipBrackets(tokens, ref i);
        if (i < tokens.Count && tokens[i].Is("x")) i++;
        int next = i;
        SkipDropped(tokens, ref next);
        if (next >= tokens.Count || !tokens[next].IsNumber || !NumberWords.TryRead(tokens, ref next, out size))
            return false;
        i = next;
        return true;
    }

    private static Unit? ReadUnit(IReadOnlyList<Token> tokens, ref int i, out string? word)
    {
        word = null;
        SkipLength(tokens, ref i);
        int next = i;
        SkipDropped(tokens, ref next);
        if (next >= tokens.Count) return null;
        if (next + 1 < tokens.Count && tokens[next].IsWord && tokens[next].Text is "fl" or "fluid"
            && Units.Find(tokens[next + 1])?.Name == "oz")
        {
            i = next + 2;
            return Units.Find("floz");
        }

        if (Units.Find(tokens[next]) is not { } unit || IsPartOfName(tokens, next)) return null;
        word = tokens[next].Text;
        i = next + 1;
        SkipBrackets(tokens, ref i);
        if (unit is { Name: "piece" } && i < tokens.Count && tokens[i].Text is "size" or "sized")
        {
            i++;
            if (i < tokens.Count && Units.Find(tokens[i]) is { Dimension: Dimension.Count or Dimension.Vague }) i++;
        }

        return unit;
    }

    // "2 rib eye steaks": "rib" belongs to the name.
    private static bool IsPartOfName(IReadOnlyList<Token> tokens, int i)
        => Foods.LongestAt(tokens, i, isCorrected: false).Length > 1;

    private static bool SkipLength(IReadOnlyList<Token> tokens, ref int i)
    {
        if (i >= tokens.Count || !tokens[i].IsWord || tokens[i].Text is not ("inch" or "inches" or "cm" or "mm" or "in"
            or "centimetre" or "centimeter" or "inch-long"))
            return false;
        i++;
        return true;
    }

    private static void SkipAlternative(IReadOnlyList<Token> tokens, ref int i)
    {
        SkipBrackets(tokens, ref i);
        while (i + 2 < tokens.Count && (tokens[i].Kind == TokenKind.Slash || tokens[i].Is("or"))
            && tokens[i + 1].IsNumber)
        {
            int next = i + 1;
            if (!NumberWords.TryRead(tokens, ref next, out _) || next >= tokens.Count
                || Units.Find(tokens[next]) is null)
                return;
            i = next + 1;
            SkipBrackets(tokens, ref i);
        }
    }

    private static bool TryReadContainer(IReadOnlyList<Token> tokens, ref int i, out Unit container)
    {
        int next = i;
        SkipDropped(tokens, ref next);
        container = next < tokens.Count && Units.Find(tokens[next]) is { Dimension: Dimension.Container } found
            ? found
            : new Unit(null, Dimension.Vague);
        if (container.Name is null) return false;
        i = next + 1;
        return true;
    }

    // "1 cup plus 2 tbsp", "1 lb 2 oz".
    private static double AddSecond(IReadOnlyList<Token> tokens, ref int i, double value, Unit unit)
    {
        int next = i;
        if (next < tokens.Count && tokens[next].IsWord && tokens[next].Text is "plus" or "and") next++;
        if (next >= tokens.Count || !tokens[next].IsNumber || !NumberWords.TryRead(tokens, ref next, out double second))
            return value;
        if (next >= tokens.Count || Units.Find(tokens[next]) is not { } other || other == unit
            || !Units.AreConvertible(unit.Name, other.Name))
            return value;
        // A name already behind the first unit would have stopped us: this amount belongs to the same food.
        i = next + 1;
        return value + (second * other.Factor * Units.Canonical[
            other.Name!].Base / (Units.Canonical[unit.Name!].Base * unit.Factor));
    }

    // "125 g ball of mozzarella", "100 g bar of chocolate": the weight says more.
    private static void SkipShape(IReadOnlyList<Token> tokens, ref int i)
    {
        if (i + 1 < tokens.Count && Units.Find(tokens[i]) is { Dimension: Dimension.Count } && tokens[i + 1].IsWord
            && Foods.LongestAt(tokens, i, false).Length < 2 && tokens[i].Text is not ("clove" or "cloves"))
            i++;
    }

    private static void SkipBrackets(IReadOnlyList<Token> tokens, ref int i)
    {
        if (i >= tokens.Count || tokens[i].Kind != TokenKind.Open) return;
        int close = i;
        while (close < tokens.Count && tokens[close].Kind != TokenKind.Close) close++;
        if (close < tokens.Count) i = close + 1;
    }

    private static bool SkipEach(IReadOnlyList<Token> tokens, ref int i)
    {
        if (i >= tokens.Count || !tokens[i].Is("each")) return false;
        i++;
        return true;
    }

    private static void SkipOf(IReadOnlyList<Token> tokens, ref int i)
    {
        if (i < tokens.Count && tokens[i].Is("of")) i++;
        if (i < tokens.Count && tokens[i].Is("each")) i++;
        while (i < tokens.Count && tokens[i].IsWord && tokens[i].Text is "the" or "your" or "my" or "some" or "our")
            i++;
    }

    private static void SkipDropped(IReadOnlyList<Token> tokens, ref int i)
    {
        while (i < tokens.Count && tokens[i].IsWord && Vocabulary.IsDropped(tokens[i].Text)) i++;
    }

    private static double Round(double value) => Math.Round(value, 3);
}
