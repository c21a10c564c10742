using System.Reflection;
using System.Text.RegularExpressions;
using ImageWorkers.Painting;

namespace ImageWorkers.Searching;

/// <summary>A picture of the catalogue.</summary>
/// <param name="Title">What it is.</param>
/// <param name="Words">By which it is found, in the singular.</param>
/// <param name="LoadAsync">Has it made or read.</param>
internal sealed record Entry(
    string Title, IReadOnlySet<string> Words, Func<CancellationToken, Task<ReadOnlyMemory<byte>>> LoadAsync);

/// <summary>The pictures that can be found: those that the painter draws by heart, and the files of a folder by the
/// words in their names.</summary>
internal sealed partial class Catalogue
{
    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg", ".gif", ".webp"];

    private static readonly EnumerationOptions InsideOnly = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint | FileAttributes.Hidden | FileAttributes.System,
    };

    private readonly Entry[] _entries;

    public Catalogue(Painter painter, string? folder)
        => _entries = [.. Drawn(painter), .. folder is null ? [] : Files(folder)];

    /// <summary>How many pictures there are.</summary>
    public int Count => _entries.Length;

    /// <summary>The pictures that have something of what is looked for, best first.</summary>
    public IReadOnlyList<Entry> Find(string text)
    {
        var wanted = WordsOf(text);
        return [.. _entries
            .Select(entry => (Entry: entry, Score: wanted.Count(entry.Words.Contains)))
            .Where(found => found.Score > 0)
            .OrderByDescending(found => found.Score)
            .Select(found => found.Entry)];
    }

    private static IEnumerable<Entry> Drawn(Painter painter)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("catalogue.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#') || line.Split('|', StringSplitOptions.TrimEntries) is not [var prompt, var words])
                continue;
            yield return new Entry(
                prompt, WordsOf($"{prompt} {words}"), unwanted => painter.DrawAsync(prompt, seed: 0, unwanted));
        }
    }

    private static IEnumerable<Entry> Files(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", InsideOnly)
        .Where(file => Extensions.Contains(file.Extension, StringComparer.OrdinalIgnoreCase) && file.Length > 0)
        .OrderBy(file => file.FullName, StringComparer.Ordinal)
        .Select(file => new Entry(Path.GetFileNameWithoutExtension(file.Name), WordsOf(file.Name),
            async unwanted => await File.ReadAllBytesAsync(file.FullName, unwanted)));

    private static HashSet<string> WordsOf(string text)
        => [.. Word().Matches(text).Select(match => Vocabulary.Singular(match.Value.ToLowerInvariant()))
            .Where(word => !Vocabulary.IsFiller(word) && word.Length > 1)];

    [GeneratedRegex(@"\p{L}+|\d+")]
    private static partial Regex Word();
}
