using System.Net;
using System.Text.RegularExpressions;

namespace RecipeWorkers.Crawling;

/// <summary>Text as pages carry it to text as people read it.</summary>
internal static partial class PlainText
{
    /// <summary>Without tags, entities and doubled blanks.</summary>
    public static string From(string? text)
    {
        if (string.IsNullOrWhiteSpace(text)) return "";
        string decoded = WebUtility.HtmlDecode(Tag().Replace(text, " "));
        return Blanks().Replace(decoded, " ").Trim();
    }

    /// <summary>The steps of an instruction text: one a line.</summary>
    public static IEnumerable<string> Lines(string? text) =>
        Break().Split(text ?? "").Select(From).Where(line => line.Length > 0);

    [GeneratedRegex("<[^<>]*>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    [GeneratedRegex(@"\n|<br\s*/?>|</(?:p|li)>", RegexOptions.IgnoreCase)]
    private static partial Regex Break();
}
