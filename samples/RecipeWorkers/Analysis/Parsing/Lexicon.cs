namespace RecipeWorkers.Analysis.Parsing;

/// <summary>A food the lexicon knows.</summary>
internal sealed record Food(string Name, bool IsCountable);

/// <summary>The foods known by name; looked up in the singular, hyphens and blanks alike.</summary>
internal static class Lexicon
{
    private static readonly Dictionary<string, Food> Foods = Read();
    private static readonly HashSet<string> Words = [.. Foods.Keys.SelectMany(name => name.Split(' '))];
    private static readonly string[] Correctable = [.. Words.Where(word => word.Length >= 5)];

    /// <summary>The longest name in words.</summary>
    public static readonly int LongestName = Foods.Keys.Max(name => name.Split(' ').Length);

    public static bool HasWord(string word) => Words.Contains(word) || Words.Contains(Singular.Of(word));

    public static Food? Find(IEnumerable<string> words)
    {
        var list = words.ToList();
        if (list.Count == 0) return null;
        string key = Key(string.Join(' ', list));
        if (Foods.TryGetValue(key, out var food)) return food;
        list = [.. key.Split(' ')];
        list[^1] = Singular.Of(list[^1]);
        if (Foods.TryGetValue(string.Join(' ', list), out food)) return food;
        return Foods.GetValueOrDefault(string.Join(' ', list.Select(Singular.Of)));
    }

    /// <summary>The word with its typing slip mended, or as it was.</summary>
    public static string Correct(string word)
    {
        if (word.Length < 5 || word.Contains('-') || Vocabulary.IsKnown(word)) return word;
        return Spelling.Nearest(word, Correctable) ?? Spelling.Nearest(Singular.Of(word), Correctable) ?? word;
    }

    private static string Key(string name) => name.Replace('-', ' ');

    private static Dictionary<string, Food> Read()
    {
        var foods = new Dictionary<string, Food>();
        bool isCountable = true;
        foreach (string line in Resource.Lines("lexicon.txt"))
        {
            if (line.StartsWith('['))
                isCountable = line == "[countable]";
            else
                foreach (string entry in line.Split(
                    ',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
                    Add(foods, entry.Split('='), isCountable);
        }

        return foods;
    }

    private static void Add(Dictionary<string, Food> foods, string[] spellings, bool isCountable)
    {
        var food = new Food(spellings[0].Trim(), isCountable);
        foreach (string spelling in spellings)
            foods.TryAdd(Key(spelling.Trim()), food);
    }
}
