namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Reads an amount at a position: digits, words for numbers, ranges, "half a dozen".</summary>
internal static class NumberWords
{
    private static readonly Dictionary<string, double> Values = new()
    {
        ["a"] = 1,
        ["an"] = 1,
        ["one"] = 1,
        ["two"] = 2,
        ["three"] = 3,
        ["four"] = 4,
        ["five"] = 5,
        ["six"] = 6,
        ["seven"] = 7,
        ["eight"] = 8,
        ["nine"] = 9,
        ["ten"] = 10,
        ["eleven"] = 11,
        ["twelve"] = 12,
        ["fifteen"] = 15,
        ["sixteen"] = 16,
        ["twenty"] = 20,
        ["thirty"] = 30,
        ["forty"] = 40,
        ["fifty"] = 50,
        ["hundred"] = 100,
        ["single"] = 1,
        ["both"] = 2,
    };

    private static readonly Dictionary<string, double> Fractions = new()
    {
        ["half"] = 0.5,
        ["quarter"] = 0.25,
        ["quarters"] = 0.25,
        ["third"] = 1 / 3.0,
        ["thirds"] = 1 / 3.0,
        ["eighth"] = 0.125,
    };

    // "A few" is read as three: the lower end of what people mean by it.
    private static readonly Dictionary<string, double> Collectives =
        new() { ["dozen"] = 12, ["dozens"] = 12, ["couple"] = 2, ["pair"] = 2, ["few"] = 3 };

    public static bool IsNumberWord(string word)
        => Values.ContainsKey(word) || Fractions.ContainsKey(word) || Collectives.ContainsKey(word);

    /// <summary>Reads an amount, moving <paramref name="at"/> behind it. Of a range the lower bound counts.</summary>
    public static bool TryRead(IReadOnlyList<Token> tokens, ref int at, out double value)
    {
        if (!TryReadOne(tokens, ref at, out value)) return false;
        int next = at;
        if (IsRangeMark(tokens, next) && SkipTo(ref next) && TryReadOne(tokens, ref next, out double upper))
            (value, at) = (Math.Min(value, upper), next);
        return true;

        static bool SkipTo(ref int position)
        {
            position++;
            return true;
        }
    }

    private static bool IsRangeMark(IReadOnlyList<Token> tokens, int at)
    {
        if (at + 1 >= tokens.Count) return false;
        // "a" after "or" opens an alternative ("2 eggs or a ..."), it does not close a range.
        bool isUpper = tokens[at + 1].IsNumber || (tokens[at + 1].IsWord && Values.ContainsKey(tokens[at + 1].Text)
            && tokens[at + 1].Text is not ("a" or "an"));
        return isUpper && (tokens[at].Kind == TokenKind.Dash || tokens[at].Is("to") || tokens[at].Is("or"));
    }

    private static bool TryReadOne(IReadOnlyList<Token> tokens, ref int at, out double value)
    {
        value = 0;
        if (at >= tokens.Count) return false;
        if (tokens[at].IsNumber)
        {
            value = tokens[at++].Value;
            if (at < tokens.Count && tokens[at].IsWord && tokens[at].Text is "dozen")
                (value, at) = (value * 12, at + 1);
            else TakeAndAHalf(tokens, ref at, ref value);
            return true;
        }

        if (!tokens[at].IsWord) return false;
        string word = tokens[at].Text;
        if (TryHyphenated(word, out value))
        {
            at++;
            return true;
        }

        if (Fractions.TryGetValue(word, out double fraction)) return ReadFraction(tokens, ref at, fraction, out value);
        if (Collectives.TryGetValue(word, out value)) return Take(tokens, ref at);
        if (!Values.TryGetValue(word, out value)) return false;
        at++;
        if (at >= tokens.Count || !tokens[at].IsWord) return true;
        if (Fractions.TryGetValue(tokens[at].Text, out fraction))
        {
            value *= fraction;
            return Take(tokens, ref at);
        }

        // "a good few", "a couple", "two dozen".
        if (tokens[at].Text is "good" && at + 1 < tokens.Count && Collectives.ContainsKey(tokens[at + 1].Text)) at++;
        if (Collectives.TryGetValue(tokens[at].Text, out double collective))
        {
            value *= collective;
            return Take(tokens, ref at);
        }

        if (tokens[at].Text is "hundred") (value, at) = (value * 100, at + 1);
        else TakeAndAHalf(tokens, ref at, ref value);
        return true;
    }

    // "half a", "half an", "half of a", "half a dozen", "quarter of a".
    private static bool ReadFraction(IReadOnlyList<Token> tokens, ref int at, double fraction, out double value)
    {
        value = fraction;
        at++;
        if (at < tokens.Count && tokens[at].Is("of")) at++;
        if (at < tokens.Count && tokens[at].IsWord && tokens[at].Text is "a" or "an") at++;
        if (at < tokens.Count && tokens[at].IsWord && tokens[at].Text is "dozen") (value, at) = (value * 12, at + 1);
        return true;
    }

    private static bool Take(IReadOnlyList<Token> tokens, ref int at)
    {
        at++;
        if (at + 1 < tokens.Count && tokens[at].Is("of") && tokens[at + 1].IsWord && tokens[at + 1].Text is "a" or "an")
            at += 2;
        return true;
    }

    // "one and a half", "2 and a half", "two and a quarter".
    private static void TakeAndAHalf(IReadOnlyList<Token> tokens, ref int at, ref double value)
    {
        if (at + 2 < tokens.Count && tokens[at].Is("and") && tokens[at + 1].IsWord
            && tokens[at + 1].Text is "a" or "one"
            && Fractions.TryGetValue(tokens[at + 2].Text, out double fraction))
            (value, at) = (value + fraction, at + 3);
    }

    // "half-a", "three-quarters", "two-thirds", "one-half", "twenty-four".
    private static bool TryHyphenated(string word, out double value)
    {
        value = 0;
        string[] parts = word.Split('-');
        if (parts.Length != 2 || !Values.TryGetValue(parts[0], out double first)) return false;
        if (Fractions.TryGetValue(parts[1], out double fraction)) value = first * fraction;
        else if (first >= 20 && Values.TryGetValue(parts[1], out double second)) value = first + second;
        return value > 0;
    }
}
