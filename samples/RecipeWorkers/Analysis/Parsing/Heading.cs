using System.Text.RegularExpressions;

namespace RecipeWorkers.Analysis.Parsing;

/// <summary>What a stretch of lines is about.</summary>
internal enum Section
{
    /// <summary>Before any heading: judged sentence by sentence.</summary>
    None,

    /// <summary>Every line is an ingredient until one reads like a step.</summary>
    Ingredients,

    /// <summary>Steps: mention again what the list has.</summary>
    Method,

    /// <summary>Tips, nutrition, equipment: no ingredients in it.</summary>
    Aside,
}

/// <summary>Recognises section headings and lines about servings and times.</summary>
internal static partial class Heading
{
    /// <summary>The section a line opens, and what stands behind the heading on the same line.</summary>
    public static Section? Find(string line, out string rest)
    {
        rest = "";
        foreach (var (pattern, section) in new[]
        {
            (IngredientsHeading(), Section.Ingredients),
            (MethodHeading(), Section.Method),
            (AsideHeading(), Section.Aside)
        })
        {
            var match = pattern.Match(line);
            if (!match.Success) continue;
            rest = line[match.Length..].Trim(' ', '-', '\u0001');
            return section;
        }

        return null;
    }

    /// <summary>Whether the line tells servings, times or temperatures.</summary>
    public static bool IsMeta(string line)
        => MetaLine().IsMatch(line) && line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length <= 9;

    private const string Start = @"^[\s#\-_\u0001]*(?:my |the )?";
    private const string End = @"(?:\s*\([^)]*\))?(?:\s+for [^:.,]{1,40})?_*\s*(?:[:\-\u0001]+|$)";

    [GeneratedRegex(Start
        + "(?:ingredients?(?: list)?(?: needed)?|shopping list|groceries|grocery list"
        + "|(?:what )?you(?:'ll|'d| will|ll)?(?: (?:just|only|also))?(?: need| want)(?: the following)?"
        + "|(?:what|things|stuff) (?:you|i|we)(?:'ll)? (?:need|use|used|have)|what(?:'s| is| goes) in(?: it)?"
        + "|need(?:ed)?|i (?:used|use|have|need)|we (?:used|need|have)|stuff|you need)"
        + End, RegexOptions.IgnoreCase)]
    private static partial Regex IngredientsHeading();

    [GeneratedRegex(Start
        + "(?:method|instructions?|directions?|steps?|preparation|procedure"
        + "|how to(?: make(?: it)?| cook(?: it)?| do it)?|how i make it|to make(?: it)?|what to do"
        + "|cooking(?: instructions)?|cooking method|recipe steps)"
        + End, RegexOptions.IgnoreCase)]
    private static partial Regex MethodHeading();

    [GeneratedRegex(Start
        + "(?:notes?|tips?|chef'?s? tips?|cook'?s? notes?|top tip|pro tip"
        + "|nutrition(?:al)?(?: facts| info(?:rmation)?)?|equipment|tools|storage|variations?|substitutions?"
        + @"|ps|p\.s\.?)"
        + End, RegexOptions.IgnoreCase)]
    private static partial Regex AsideHeading();

    [GeneratedRegex(
        @"^[\s#\-\u0001(]*(?:serves?|serving(?:s| size)?|makes|yields?|prep(?:aration)?(?: time)?"
            + "|cook(?:ing)?(?: time)?|bak(?:e|ing)(?: time)?|total(?: time)?|ready in|time|difficulty|calories|kcal"
            + @"|oven|temp(?:erature)?|enough for|for \d+ people|feeds|portions?)\b[^a-z]*"
            + @"(?:about |approx\w* |around )?(?:\d|one|two|three|four|five|six|eight|easy|medium|hard|half|an? )",
        RegexOptions.IgnoreCase)]
    private static partial Regex MetaLine();
}
