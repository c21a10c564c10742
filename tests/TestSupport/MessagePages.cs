using System.Text.RegularExpressions;

namespace TestSupport;

/// <summary>The pages about single messages, docs/messages. The title of each is its message, with … for what
/// varies.</summary>
public static class MessagePages
{
    /// <summary>File names without their ending, and what finds their messages.</summary>
    public static IReadOnlyList<(string Name, Regex Message)> All { get; } =
    [
        .. Directory.GetFiles(Repository.Path("docs", "messages"), "*.md").Order(StringComparer.Ordinal)
            .Select(file => (Path.GetFileNameWithoutExtension(file), new Regex(string.Join(".*",
                File.ReadLines(file).First()["# ".Length..].Split('…').Select(Regex.Escape))))),
    ];
}
