namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Finds the foods of the lexicon in running tokens.</summary>
internal static class Foods
{
    /// <summary>The longest known name at a position, and its length in tokens; 0 when there is none.</summary>
    public static (Food? Food, int Length) LongestAt(IReadOnlyList<Token> tokens, int at, bool isCorrected)
    {
        var words = new List<string>();
        for (int i = at; i < tokens.Count && words.Count < Lexicon.LongestName && tokens[i].IsWord; i++)
            words.Add(isCorrected ? Lexicon.Correct(tokens[i].Text) : tokens[i].Text);
        return LongestOf(words);
    }

    /// <summary>The longest known name that the words begin with.</summary>
    public static (Food? Food, int Length) LongestOf(List<string> words)
    {
        for (int length = Math.Min(words.Count, Lexicon.LongestName); length > 0; length--)
            if (Lexicon.Find(words.Take(length)) is { } food)
                return (food, length);
        return (null, 0);
    }
}
