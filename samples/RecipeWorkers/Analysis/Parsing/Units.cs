namespace RecipeWorkers.Analysis.Parsing;

/// <summary>What amounts in a unit can be added to.</summary>
internal enum Dimension
{
    /// <summary>Base: grams.</summary>
    Mass,

    /// <summary>Base: millilitres.</summary>
    Volume,

    /// <summary>A can, a pack: may itself be sized by a mass or volume ("400 g can").</summary>
    Container,

    /// <summary>Clove, slice, bunch: counts only its own kind.</summary>
    Count,

    /// <summary>"Splash", "knob": names no amount.</summary>
    Vague,
}

/// <summary>A unit as written: its canonical name, and how many of those it is ("dl" is 100 ml).</summary>
internal sealed record Unit(string? Name, Dimension Dimension, double Factor = 1);

/// <summary>The units people write, and what they are worth.</summary>
internal static class Units
{
    /// <summary>Grams or millilitres in one canonical unit, rounded the way cookbooks do.</summary>
    public static readonly IReadOnlyDictionary<string, (Dimension Dimension, double Base)> Canonical =
        new Dictionary<string, (Dimension, double)>
        {
            ["g"] = (Dimension.Mass, 1),
            ["kg"] = (Dimension.Mass, 1000),
            ["oz"] = (Dimension.Mass, 28.35),
            ["lb"] = (Dimension.Mass, 453.6),
            ["ml"] = (Dimension.Volume, 1),
            ["l"] = (Dimension.Volume, 1000),
            ["tsp"] = (Dimension.Volume, 5),
            ["tbsp"] = (Dimension.Volume, 15),
            ["cup"] = (Dimension.Volume, 240),
        };

    private static readonly Dictionary<string, Unit> ByWord = Build();

    /// <summary>Units that stand without a number: "pinch of salt".</summary>
    private static readonly HashSet<string> Standalone =
        ["pinch", "dash", "handful", "bunch", "splash", "drizzle", "knob", "sprig", "squeeze", "glug", "dollop",
            "sprinkle", "sprinkling", "pinches",
         "sprigs", "handfuls", "fistful", "touch", "hint", "drop", "drops", "cup", "slice", "slices", "tin", "jar",
         "pack", "packet", "bag", "cloves", "clove",
         "tsp", "tbsp", "teaspoon", "tablespoon"];

    /// <summary>Units that may follow the name: "2 garlic cloves".</summary>
    private static readonly HashSet<string> Trailing = ["clove", "stick", "sprig", "slice", "bunch"];

    public static Unit? Find(Token token) => token.Raw switch
    {
        "T" or "Tb" or "Tbs" => ByWord["tbsp"],
        "t" => ByWord["tsp"],
        _ => token.IsWord ? Find(token.Text) : null,
    };

    public static Unit? Find(string word)
    {
        if (ByWord.TryGetValue(word, out var unit)) return unit;
        if (word.Length < 5 || Vocabulary.IsKnown(word)) return null;
        string? close = Spelling.Nearest(word, LongWords);
        return close is null ? null : ByWord[close];
    }

    public static bool StandsAlone(string word) => Standalone.Contains(word);

    public static bool MayFollowName(Unit unit) => unit.Name is { } name && Trailing.Contains(name);

    /// <summary>Whether two canonical units are of one measurable dimension.</summary>
    public static bool AreConvertible(string? left, string? right) =>
        left is not null && right is not null
        && Canonical.TryGetValue(left, out var a) && Canonical.TryGetValue(right, out var b)
        && a.Dimension == b.Dimension;

    private static readonly string[] LongWords = [
        .. ByWord.Keys.Where(word => word.Length >= 5 && ByWord[word].Dimension != Dimension.Vague)];

    private static Dictionary<string, Unit> Build()
    {
        var table = new Dictionary<string, Unit>();
        Add("g", Dimension.Mass, 1, "g gr gm gms gs gram grams gramm gramms gramme grammes");
        Add("g", Dimension.Mass, 0.001, "mg milligram milligrams");
        Add("kg", Dimension.Mass, 1, "kg kgs kilo kilos kilogram kilograms kilogramme kilogrammes");
        Add("oz", Dimension.Mass, 1, "oz ozs ounce ounces");
        Add("lb", Dimension.Mass, 1, "lb lbs pound pounds");
        Add("ml", Dimension.Volume, 1, "ml mls mil mils millilitre millilitres milliliter milliliters cc");
        Add("ml", Dimension.Volume, 10, "cl centilitre centilitres centiliter centiliters");
        Add("ml", Dimension.Volume, 100, "dl decilitre decilitres deciliter deciliters");
        Add("l", Dimension.Volume, 1, "l lt ltr ltrs litre litres liter liters");
        Add("ml", Dimension.Volume, 473, "pint pints pt pts");
        Add("ml", Dimension.Volume, 946, "quart quarts qt qts");
        Add("l", Dimension.Volume, 3.785, "gallon gallons gal");
        Add("ml", Dimension.Volume, 30, "floz fl-oz");
        Add("tsp", Dimension.Volume, 1, "tsp tsps ts tspn teaspoon teaspoons teaspoonful teaspoonfuls");
        Add("tbsp", Dimension.Volume, 1, "tbsp tbsps tbs tb tblsp tbl tblspn tbps tablespoon "
            + "tablespoons tablespoonful tablespoonfuls");
        Add("cup", Dimension.Volume, 1, "cup cups c cupful cupfuls mug mugs glass glasses");
        Add("can", Dimension.Container, 1, "can cans tin tins");
        Add("pack", Dimension.Container, 1, "pack packs packet packets package packages pkg pkgs pkt pkts bag "
            + "bags box boxes carton cartons jar jars bottle bottles tub tubs sachet sachets envelope envelopes "
            + "pouch pouches punnet punnets container containers tube tubes");
        Add("piece", Dimension.Count, 1, "piece pieces pc pcs head heads ear ears bulb bulbs thumb thumbs ball balls "
            + "loaf loaves chunk chunks wedge wedges sheet sheets cube cubes bar bars square squares block blocks");
        Add("clove", Dimension.Count, 1, "clove cloves");
        Add("slice", Dimension.Count, 1, "slice slices rasher rashers strip strips");
        Add("bunch", Dimension.Count, 1, "bunch bunches");
        Add("pinch", Dimension.Count, 1, "pinch pinches dash dashes");
        Add("sprig", Dimension.Count, 1, "sprig sprigs");
        Add("stick", Dimension.Count, 1, "stick sticks stalk stalks rib ribs");
        Add("handful", Dimension.Count, 1, "handful handfuls fistful fistfuls");
        Add(null, Dimension.Vague, 1, "splash splashes drizzle knob knobs glug glugs dollop dollops squeeze "
            + "sprinkle sprinkling touch hint drop drops bit");
        return table;

        void Add(string? name, Dimension dimension, double factor, string words)
        {
            foreach (string word in words.Split(' '))
                table[word] = new Unit(name, dimension, factor);
        }
    }
}
