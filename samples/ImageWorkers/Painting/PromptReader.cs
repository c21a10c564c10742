using System.Text.RegularExpressions;
using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>Reads a prompt: "three small red boats on a blue sea at night" has a group of boats, a ground with its
/// colour, and a light.</summary>
internal static partial class PromptReader
{
    // More words than these change nothing.
    private const int WordsRead = 64;
    private const int MostGroups = 6;

    /// <summary>Reads a prompt. Any text is a scene.</summary>
    public static Scene Read(string prompt)
    {
        var groups = new List<Group>();
        var (ground, groundColor, skyColor, daytime) = (Ground.None, (SKColor?)null, (SKColor?)null, Daytime.Day);
        var (count, color, size) = ((int?)null, (SKColor?)null, 1f);
        foreach (string word in Words(prompt))
        {
            if (Vocabulary.ColorOf(word) is { } named)
                color = named;
            else if (Vocabulary.SizeOf(word) is { } sized)
                size = sized;
            else if (Vocabulary.DaytimeOf(word) is { } time)
                daytime = time;
            else if (Vocabulary.IsSky(word))
                (skyColor, count, color, size) = (color ?? skyColor, null, null, 1f);
            else if (Vocabulary.GroundOf(word) is { } below)
                (ground, groundColor, count, color, size) = (below, color, null, null, 1f);
            else if (Vocabulary.ThingOf(word) is { } thing)
                Add(thing, word);
            else if (Vocabulary.CountOf(word) is { } number)
                count = number;
            else if (!Vocabulary.IsFiller(word))
                Add(Thing.Unknown, word);
        }

        if (groups.Count == 0 && color is not null && ground is Ground.None)
            groundColor = color; // "blue" alone
        return new Scene(groups, ground is Ground.None ? Home(groups) : ground, groundColor, skyColor, daytime);

        void Add(Thing thing, string word)
        {
            if (groups.Count < MostGroups)
                groups.Add(new Group(
                    thing, Vocabulary.Singular(word), count ?? (Vocabulary.IsPlural(word) ? 4 : 1), color, size));
            (count, color, size) = (null, null, 1f);
        }
    }

    // Where things are at home, when the prompt does not say.
    private static Ground Home(List<Group> groups) => groups.Select(group => group.Thing).FirstOrDefault() switch
    {
        Thing.Boat or Thing.Fish => Ground.Sea,
        Thing.Car => Ground.City,
        Thing.Rocket or Thing.Star => Ground.Space,
        Thing.House or Thing.Tree or Thing.Flower or Thing.Mountain or Thing.Cat or Thing.Dog or Thing.Person
            or Thing.Cloud or Thing.Sun or Thing.Moon or Thing.Bird or Thing.Balloon when groups.Count > 0
                => Ground.Field,
        _ => Ground.Plain,
    };

    private static IEnumerable<string> Words(string prompt)
        => Word().Matches(prompt).Take(WordsRead).Select(match => match.Value.ToLowerInvariant());

    [GeneratedRegex(@"[\p{L}]+|\d{1,4}")]
    private static partial Regex Word();
}
