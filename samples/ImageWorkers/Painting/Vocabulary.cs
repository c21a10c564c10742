using System.Globalization;
using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>The words that the painter knows.</summary>
internal static class Vocabulary
{
    /// <summary>The most things of a kind that are drawn.</summary>
    public const int MostThings = 24;

    private static readonly Dictionary<string, uint> Colors = new(StringComparer.Ordinal)
    {
        ["red"] = 0xFFD62828,
        ["crimson"] = 0xFFB0122B,
        ["orange"] = 0xFFF77F00,
        ["yellow"] = 0xFFFCD116,
        ["golden"] = 0xFFE6B325,
        ["gold"] = 0xFFE6B325,
        ["green"] = 0xFF2E9E4F,
        ["turquoise"] = 0xFF2EC4B6,
        ["cyan"] = 0xFF22C7E8,
        ["blue"] = 0xFF1F6FD6,
        ["navy"] = 0xFF12306B,
        ["purple"] = 0xFF7B2CBF,
        ["violet"] = 0xFF8F3FD1,
        ["pink"] = 0xFFF48FB1,
        ["magenta"] = 0xFFD81B9A,
        ["brown"] = 0xFF7A4A24,
        ["black"] = 0xFF151515,
        ["white"] = 0xFFF7F7F2,
        ["grey"] = 0xFF8A8F98,
        ["gray"] = 0xFF8A8F98,
        ["silver"] = 0xFFB8BEC7,
    };

    private static readonly Dictionary<string, Thing> Things = new(StringComparer.Ordinal)
    {
        ["boat"] = Thing.Boat,
        ["ship"] = Thing.Boat,
        ["sailboat"] = Thing.Boat,
        ["yacht"] = Thing.Boat,
        ["house"] = Thing.House,
        ["home"] = Thing.House,
        ["cottage"] = Thing.House,
        ["hut"] = Thing.House,
        ["barn"] = Thing.House,
        ["tree"] = Thing.Tree,
        ["oak"] = Thing.Tree,
        ["pine"] = Thing.Tree,
        ["fir"] = Thing.Tree,
        ["mountain"] = Thing.Mountain,
        ["hill"] = Thing.Mountain,
        ["peak"] = Thing.Mountain,
        ["volcano"] = Thing.Mountain,
        ["cloud"] = Thing.Cloud,
        ["sun"] = Thing.Sun,
        ["moon"] = Thing.Moon,
        ["star"] = Thing.Star,
        ["flower"] = Thing.Flower,
        ["rose"] = Thing.Flower,
        ["tulip"] = Thing.Flower,
        ["daisy"] = Thing.Flower,
        ["sunflower"] = Thing.Flower,
        ["bird"] = Thing.Bird,
        ["gull"] = Thing.Bird,
        ["seagull"] = Thing.Bird,
        ["eagle"] = Thing.Bird,
        ["fish"] = Thing.Fish,
        ["shark"] = Thing.Fish,
        ["whale"] = Thing.Fish,
        ["dolphin"] = Thing.Fish,
        ["balloon"] = Thing.Balloon,
        ["car"] = Thing.Car,
        ["truck"] = Thing.Car,
        ["bus"] = Thing.Car,
        ["cat"] = Thing.Cat,
        ["kitten"] = Thing.Cat,
        ["dog"] = Thing.Dog,
        ["puppy"] = Thing.Dog,
        ["person"] = Thing.Person,
        ["man"] = Thing.Person,
        ["woman"] = Thing.Person,
        ["child"] = Thing.Person,
        ["people"] = Thing.Person,
        ["rocket"] = Thing.Rocket,
        ["spaceship"] = Thing.Rocket,
        ["circle"] = Thing.Circle,
        ["ball"] = Thing.Circle,
        ["dot"] = Thing.Circle,
        ["planet"] = Thing.Circle,
        ["square"] = Thing.Square,
        ["box"] = Thing.Square,
        ["cube"] = Thing.Square,
        ["triangle"] = Thing.Triangle,
        ["pyramid"] = Thing.Triangle,
        ["heart"] = Thing.Heart,
    };

    private static readonly Dictionary<string, Ground> Grounds = new(StringComparer.Ordinal)
    {
        ["sea"] = Ground.Sea,
        ["ocean"] = Ground.Sea,
        ["lake"] = Ground.Sea,
        ["river"] = Ground.Sea,
        ["water"] = Ground.Sea,
        ["pond"] = Ground.Sea,
        ["field"] = Ground.Field,
        ["meadow"] = Ground.Field,
        ["grass"] = Ground.Field,
        ["garden"] = Ground.Field,
        ["lawn"] = Ground.Field,
        ["forest"] = Ground.Field,
        ["park"] = Ground.Field,
        ["desert"] = Ground.Desert,
        ["sand"] = Ground.Desert,
        ["dune"] = Ground.Desert,
        ["snow"] = Ground.Snow,
        ["ice"] = Ground.Snow,
        ["winter"] = Ground.Snow,
        ["city"] = Ground.City,
        ["town"] = Ground.City,
        ["street"] = Ground.City,
        ["road"] = Ground.City,
        ["space"] = Ground.Space,
        ["galaxy"] = Ground.Space,
        ["beach"] = Ground.Beach,
        ["shore"] = Ground.Beach,
        ["background"] = Ground.Plain,
        ["paper"] = Ground.Plain,
        ["wall"] = Ground.Plain,
    };

    private static readonly Dictionary<string, Daytime> Daytimes = new(StringComparer.Ordinal)
    {
        ["night"] = Daytime.Night,
        ["midnight"] = Daytime.Night,
        ["starry"] = Daytime.Night,
        ["sunset"] = Daytime.Sunset,
        ["sunrise"] = Daytime.Sunset,
        ["dusk"] = Daytime.Sunset,
        ["dawn"] = Daytime.Sunset,
        ["evening"] = Daytime.Sunset,
        ["morning"] = Daytime.Sunset,
    };

    private static readonly Dictionary<string, int> Counts = new(StringComparer.Ordinal)
    {
        ["a"] = 1,
        ["an"] = 1,
        ["one"] = 1,
        ["single"] = 1,
        ["two"] = 2,
        ["pair"] = 2,
        ["couple"] = 2,
        ["three"] = 3,
        ["four"] = 4,
        ["five"] = 5,
        ["six"] = 6,
        ["several"] = 5,
        ["some"] = 4,
        ["seven"] = 7,
        ["eight"] = 8,
        ["nine"] = 9,
        ["ten"] = 10,
        ["dozen"] = 12,
        ["twelve"] = 12,
        ["many"] = 12,
        ["twenty"] = 20,
    };

    private static readonly Dictionary<string, float> Sizes = new(StringComparer.Ordinal)
    {
        ["big"] = 1.5f,
        ["large"] = 1.5f,
        ["huge"] = 2,
        ["giant"] = 2,
        ["tall"] = 1.4f,
        ["small"] = 0.65f,
        ["little"] = 0.65f,
        ["tiny"] = 0.5f,
    };

    private static readonly HashSet<string> Fillers = new(StringComparer.Ordinal)
    {
        "the", "of", "on", "in", "at", "over", "under", "above", "below", "with", "and", "near", "by", "beside",
            "behind", "to", "from", "its", "is", "are",
        "picture", "image", "painting", "photo", "drawing", "light", "dark", "bright", "old", "beautiful", "floating",
            "flying", "sailing", "standing", "sitting",
        "very", "against", "into", "through", "around", "between", "his", "her", "their", "my", "full",
    };

    public static SKColor? ColorOf(string word) => Colors.TryGetValue(word, out uint color) ? new SKColor(color) : null;

    public static Thing? ThingOf(string word)
        => Things.TryGetValue(word, out var thing) || Things.TryGetValue(Singular(word), out thing) ? thing : null;

    public static Ground? GroundOf(string word)
        => Grounds.TryGetValue(word, out var ground) || Grounds.TryGetValue(Singular(word), out ground) ? ground : null;

    public static Daytime? DaytimeOf(string word) => Daytimes.TryGetValue(word, out var time) ? time : null;

    public static float? SizeOf(string word) => Sizes.TryGetValue(word, out float size) ? size : null;

    public static bool IsFiller(string word) => Fillers.Contains(word);

    public static bool IsSky(string word) => word is "sky";

    public static int? CountOf(string word) => Counts.TryGetValue(word, out int count) ? count
        : int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out count)
            ? Math.Clamp(count, 1, MostThings)
        : null;

    /// <summary>Whether a word says that there are several, without saying how many.</summary>
    public static bool IsPlural(string word) => word is "people" || Singular(word) != word && word != "glass";

    /// <summary>A noun's singular, as far as regular English goes.</summary>
    public static string Singular(string word) => word switch
    {
        "people" => "person",
        "men" => "man",
        "women" => "woman",
        "children" => "child",
        "leaves" => "leaf",
        _ when word.EndsWith("ies", StringComparison.Ordinal) && word.Length > 4 => word[..^3] + "y",
        _ when word.EndsWith("xes", StringComparison.Ordinal) || word.EndsWith("shes", StringComparison.Ordinal)
            || word.EndsWith("ches", StringComparison.Ordinal) => word[..^2],
        _ when word.EndsWith('s') && !word.EndsWith("ss", StringComparison.Ordinal)
            && !word.EndsWith("us", StringComparison.Ordinal) && word.Length > 3 => word[..^1],
        _ => word,
    };
}
