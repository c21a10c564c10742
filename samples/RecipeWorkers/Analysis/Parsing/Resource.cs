namespace RecipeWorkers.Analysis.Parsing;

/// <summary>Reads the tables embedded in the assembly.</summary>
internal static class Resource
{
    public static Stream Open(string name) =>
        typeof(Resource).Assembly.GetManifestResourceStream("Analysis." + name)
        ?? throw new InvalidOperationException($"The resource {name} is not in the assembly.");

    /// <summary>The lines of a text resource, without comments and blank ones.</summary>
    public static IEnumerable<string> Lines(string name)
    {
        using var reader = new StreamReader(Open(name));
        while (reader.ReadLine() is { } line)
            if (!string.IsNullOrWhiteSpace(line) && !line.StartsWith('#'))
                yield return line.Trim();
    }
}
