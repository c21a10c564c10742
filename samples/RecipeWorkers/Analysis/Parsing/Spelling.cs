namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Finds the word that was meant.</summary>
internal static class Spelling
{
    /// <summary>The one nearest word within reason; null when none is, or when two are equally near.</summary>
    public static string? Nearest(string word, IEnumerable<string> candidates)
    {
        // One slip in a short word, two in a long one: more would turn one food into another.
        int allowed = word.Length >= 8 ? 2 : 1;
        string? best = null;
        int bestDistance = allowed + 1;
        bool isTie = false;
        foreach (string candidate in candidates)
        {
            if (Math.Abs(candidate.Length - word.Length) > allowed || candidate[0] != word[0]) continue;
            int distance = Distance(word, candidate);
            if (distance > bestDistance) continue;
            // Singular and plural of one word are no rivals.
            isTie = distance == bestDistance && best is not null && Singular.Of(best) != Singular.Of(candidate);
            if (isTie || distance == bestDistance) continue;
            (best, bestDistance) = (candidate, distance);
        }

        return isTie || bestDistance > allowed ? null : best;
    }

    // Optimal string alignment: a swap of neighbours is one slip, as it is on a keyboard.
    private static int Distance(string a, string b)
    {
        int[,] cost = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++) cost[i, 0] = i;
        for (int j = 0; j <= b.Length; j++) cost[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
            for (int j = 1; j <= b.Length; j++)
            {
                int substitution = cost[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                int least = Math.Min(substitution, Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    least = Math.Min(least, cost[i - 2, j - 2] + 1);
                cost[i, j] = least;
            }

        return cost[a.Length, b.Length];
    }
}
