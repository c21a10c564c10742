using System.Globalization;

namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Splits one normalised line into tokens.</summary>
internal static class Tokenizer
{
    public static List<Token> Tokenize(string line)
    {
        var tokens = new List<Token>();
        int at = 0;
        while (at < line.Length)
            at = ReadOne(line, at, tokens);
        return tokens;
    }

    private static int ReadOne(string line, int at, List<Token> tokens)
    {
        char c = line[at];
        if (char.IsAsciiDigit(c) || (c is '.' && IsDigit(line, at + 1) && !IsDigit(line, at - 1)))
            return ReadNumber(line, at, tokens);
        if (char.IsLetter(c))
            return ReadWord(line, at, tokens);

        if (c == '.' && IsAbbreviation(line, at, tokens)) return at + 1;

        TokenKind? kind = c switch
        {
            ',' or ';' => TokenKind.Comma,
            '.' or '!' or '?' => TokenKind.Stop,
            TextNormalizer.BreakMark or '\n' => TokenKind.Break,
            '(' or '[' or '{' => TokenKind.Open,
            ')' or ']' or '}' => TokenKind.Close,
            '/' => TokenKind.Slash,
            '-' => TokenKind.Dash,
            ':' or '=' => TokenKind.Colon,
            _ => null,
        };
        if (kind is { } known)
            tokens.Add(new Token(known, c.ToString(), c.ToString()));
        else if (c == '+')
            tokens.Add(new Token(TokenKind.Word, "plus", "+"));
        else if (c == '~')
            tokens.Add(new Token(TokenKind.Word, "about", "~"));
        return at + 1;
    }

    // "2 Tbsp. sugar", "8 oz. can": the full stop ends no sentence.
    private static bool IsAbbreviation(string line, int at, List<Token> tokens)
    {
        if (tokens.Count == 0 || !tokens[^1].IsWord || at == 0 || !char.IsLetter(line[at - 1])) return false;
        if (tokens[^1].Text is "tbsp" or "tsp" or "oz" or "lb" or "lbs" or "pkg" or "qt" or "pt" or "tbs" or "approx"
            or "fl" or "eg" or "e.g")
            return true;
        if (!IsDigit(line, at + 1) && at + 1 < line.Length && char.IsLetter(line[at + 1])) return true;
        var next = line.AsSpan(at + 1).TrimStart(' ');
        return tokens[^1].Text is "g" or "kg" or "ml" or "l" or "c" or "pkt" or "t" or "in" && next.Length > 0
            && char.IsAsciiLetterLower(next[0]);
    }

    private static int ReadNumber(string line, int at, List<Token> tokens)
    {
        int start = at;
        double value = ReadDecimal(line, ref at);
        double whole = value;
        if (TryReadDenominator(line, ref at, value, out double fraction))
            value = fraction;
        else if (TryReadFractionAfter(line, ref at, out fraction))
            value = whole + fraction;

        if (at < line.Length && line[at] == '%')
        {
            // "2% milk", "70% chocolate": a grade, not an amount.
            tokens.Add(new Token(TokenKind.Word, line[start..++at], line[start..at]));
            return at;
        }

        tokens.Add(new Token(TokenKind.Number, line[start..at], line[start..at], value));
        // The dash of "14-oz" belongs to the number; that of "2-3" and "2 - 3" is a range.
        return at + 1 < line.Length && line[at] == '-' && char.IsLetter(line[at + 1]) ? at + 1 : at;
    }

    private static double ReadDecimal(string line, ref int at)
    {
        int start = at;
        while (IsDigit(line, at)) at++;
        if (at < line.Length && line[at] is '.' or ',' && IsDigit(line, at + 1))
        {
            int end = at + 1;
            while (IsDigit(line, end)) end++;
            // "1,000" is a thousand; "1,5" and "0,125" are decimals.
            bool isThousands = line[at] == ',' && end - at == 4 && line[start] != '0';
            at = end;
            if (isThousands) return Number(line[start..end].Replace(",", ""));
        }

        return Number(line[start..at].Replace(',', '.'));
    }

    private static bool TryReadDenominator(string line, ref int at, double numerator, out double value)
    {
        value = 0;
        int end = at;
        if (end >= line.Length || line[end] != '/' || !IsDigit(line, end + 1)) return false;
        int start = ++end;
        while (IsDigit(line, end)) end++;
        double denominator = Number(line[start..end]);
        // "200g/7oz" and "1/400g" are alternatives; kitchens stop at sixteenths.
        if (denominator is < 2 or > 16 || numerator >= denominator * 4) return false;
        value = numerator / denominator;
        at = end;
        return true;
    }

    // "1 1/2", "1-1/2" and "1 and 1/2".
    private static bool TryReadFractionAfter(string line, ref int at, out double value)
    {
        value = 0;
        int end = at;
        if (end < line.Length && line[end] == '-') end++;
        else
            while (end < line.Length && line[end] == ' ') end++;
        if (end > at && string.CompareOrdinal(line, end, "and ", 0, 4) == 0)
        {
            end += 4;
            while (end < line.Length && line[end] == ' ') end++;
        }

        if (end == at || !IsDigit(line, end)) return false;
        double numerator = ReadDecimal(line, ref end);
        if (!TryReadDenominator(line, ref end, numerator, out double fraction) || fraction >= 1) return false;
        value = fraction;
        at = end;
        return true;
    }

    private static int ReadWord(string line, int at, List<Token> tokens)
    {
        int start = at;
        while (at < line.Length && (char.IsLetter(line[at]) || IsInner(line, at))) at++;
        string raw = line[start..at];
        tokens.Add(new Token(TokenKind.Word, raw.ToLowerInvariant(), raw));
        return at;
    }

    private static bool IsInner(string line, int at) =>
        line[at] is '-' or '\'' && at + 1 < line.Length && char.IsLetter(line[at + 1]);

    private static bool IsDigit(string line, int at) => at >= 0 && at < line.Length && char.IsAsciiDigit(line[at]);

    private static double Number(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            ? value : 0;
}
