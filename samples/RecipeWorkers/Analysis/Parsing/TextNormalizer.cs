using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Turns what people type and paste into plain ASCII the tokenizer has rules for.</summary>
internal static partial class TextNormalizer
{
    /// <summary>Stands for a bullet or pictogram; no keyboard types it.</summary>
    public const char BreakMark = '\u0001';

    public static string Normalize(string text)
    {
        var plain = new StringBuilder(text.Length + 16);
        foreach (var rune in text.EnumerateRunes())
            Append(plain, rune);

        string result = Degrees().Replace(plain.ToString(), " degrees ");
        result = WithoutShort().Replace(result, "without ");
        result = WithShort().Replace(result, "with ");
        result = SaltAndPepperShort().Replace(result, "salt and pepper");
        result = AndShort().Replace(result, " and ");
        result = InnerHeading().Replace(result, "\n");
        return InchMark().Replace(result, "$1 inch ");
    }

    private static void Append(StringBuilder plain, Rune rune)
    {
        if (rune.Value < 128)
        {
            if (rune.Value == '*')
                // At the start of a line a bullet, elsewhere emphasis.
                plain.Append(plain.Length == 0 || plain[^1] == '\n' ? BreakMark.ToString() : "");
            else if (rune.Value is '|' or '\t')
                plain.Append(" : ");
            else if (rune.Value == '&')
                plain.Append(" and ");
            else if (rune.Value != '\r')
                plain.Append((char)rune.Value);
            return;
        }

        if (Replacements.TryGetValue(rune.Value, out string? replacement))
            plain.Append(replacement);
        else if (IsJoiner(rune))
            return;
        else if (Rune.IsLetter(rune))
            plain.Append(Fold(rune));
        else
            plain.Append(Rune.IsWhiteSpace(rune) ? ' ' : BreakMark);
    }

    // Parts of a pictogram, not pictograms: dropping them keeps one emoji one break.
    private static bool IsJoiner(Rune rune) =>
        rune.Value is 0x200B or 0x200C or 0x200D or 0xFE0F or 0xFEFF or 0x20E3 or 0x2060
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.ModifierSymbol;

    /// <summary>A piece of the normalised text with the accents it has in the source.</summary>
    public static string AsWritten(string piece, string source)
    {
        string folded = string.Concat(source.Select(Fold));
        int at = folded.IndexOf(piece, StringComparison.Ordinal);
        return at < 0 ? piece : source.Substring(at, piece.Length);
    }

    private static string Fold(Rune rune) => rune.IsBmp ? Fold((char)rune.Value).ToString() : rune.ToString();

    private static char Fold(char letter)
        => Accented.IndexOf(letter, StringComparison.Ordinal) is var at and >= 0 ? Plain[at] : letter;

    private const string Accented = "àáâãäåçèéêëìíîïñòóôõöøùúûüýÿÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝ";
    private const string Plain = "aaaaaaceeeeiiiinoooooouuuuyyAAAAAACEEEEIIIINOOOOOOUUUUY";

    // A leading blank makes "1½" read "1 1/2".
    private static readonly Dictionary<int, string> Replacements = new()
    {
        ['½'] = " 1/2",
        ['¼'] = " 1/4",
        ['¾'] = " 3/4",
        ['⅓'] = " 1/3",
        ['⅔'] = " 2/3",
        ['⅕'] = " 1/5",
        ['⅖'] = " 2/5",
        ['⅗'] = " 3/5",
        ['⅘'] = " 4/5",
        ['⅙'] = " 1/6",
        ['⅚'] = " 5/6",
        ['⅛'] = " 1/8",
        ['⅜'] = " 3/8",
        ['⅝'] = " 5/8",
        ['⅞'] = " 7/8",
        ['⁄'] = "/",
        ['∕'] = "/",
        ['–'] = "-",
        ['—'] = " - ",
        ['‑'] = "-",
        ['‐'] = "-",
        ['−'] = "-",
        ['×'] = "x",
        ['✕'] = "x",
        ['‘'] = "'",
        ['’'] = "'",
        ['ʼ'] = "'",
        ['“'] = "\"",
        ['”'] = "\"",
        ['″'] = "\"",
        ['…'] = ". ",
        ['œ'] = "oe",
        ['æ'] = "ae",
        ['ß'] = "ss",
        ['°'] = "°",
        ['º'] = "°",
        ['˚'] = "°",
        ['≈'] = " about ",
    };

    [GeneratedRegex("°")]
    private static partial Regex Degrees();

    [GeneratedRegex(@"\bw/o\b\s*", RegexOptions.IgnoreCase)]
    private static partial Regex WithoutShort();

    [GeneratedRegex(@"\bw/\s*", RegexOptions.IgnoreCase)]
    private static partial Regex WithShort();

    [GeneratedRegex(@"\bs\s*(?:and|n|/)\s*p\b", RegexOptions.IgnoreCase)]
    private static partial Regex SaltAndPepperShort();

    [GeneratedRegex(@"\s'?n'?\s", RegexOptions.IgnoreCase)]
    private static partial Regex AndShort();

    // "Chili sin carne - ingredients: …": a heading in the middle of a line starts a new one.
    [GeneratedRegex(
        @"(?<=\S)[ \-.,;]+(?=(?:ingredients|method|instructions|directions|steps|preparation)\s*:)",
        RegexOptions.IgnoreCase)]
    private static partial Regex InnerHeading();

    [GeneratedRegex("(?<=\\d)(\\s?)\"")]
    private static partial Regex InchMark();
}
