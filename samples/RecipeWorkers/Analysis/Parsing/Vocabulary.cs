namespace RecipeWorkers.Analysis.Parsing;

/// <summary>The words the grammar knows by their part in it; read from the embedded word list.</summary>
internal static class Vocabulary
{
    private static readonly Dictionary<string, HashSet<string>> Sections = Read();

    /// <summary>Adjectives that change nothing about what to buy.</summary>
    public static bool IsDropped(string word) => Sections["drop"].Contains(word) || word.EndsWith('%');

    /// <summary>Words that open a note on preparation.</summary>
    public static bool IsPreparation(string word) => Sections["prep"].Contains(word);

    /// <summary>Words that end the name inside one phrase.</summary>
    public static bool OpensNote(string word) => Sections["note"].Contains(word);

    public static bool IsStop(string word) => Sections["stop"].Contains(word);

    public static bool IsVerb(string word) => Sections["verb"].Contains(word);

    /// <summary>Things counted in recipes that are not food: minutes, pans, guests.</summary>
    public static bool IsNonFood(string word) => Sections["nonfood"].Contains(word);

    /// <summary>Nouns that turn a food before them into a dish: "tomato soup".</summary>
    public static bool IsDishNoun(string word) => Sections["dishnoun"].Contains(word);

    /// <summary>Foods so general that "the pasta" only points back to one named before.</summary>
    public static bool IsGeneric(string name) => Sections["generic"].Contains(name);

    /// <summary>Adjectives that make another product.</summary>
    public static bool IsModifier(string word) => Sections["modifier"].Contains(word);

    public static bool IsKnown(string word) =>
        Sections.Values.Any(words => words.Contains(word)) || NumberWords.IsNumberWord(word) || Lexicon.HasWord(word);

    private static Dictionary<string, HashSet<string>> Read()
    {
        var sections = new Dictionary<string, HashSet<string>>();
        HashSet<string> current = [];
        foreach (string line in Resource.Lines("words.txt"))
        {
            if (line.StartsWith('['))
                sections[line.Trim('[', ']')] = current = [];
            else
                current.UnionWith(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        }

        return sections;
    }
}
