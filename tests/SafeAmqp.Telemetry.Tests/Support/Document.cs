using System.Text.RegularExpressions;

namespace SafeAmqp.Telemetry.Tests.Support;

/// <summary>The tables of docs/TELEMETRY.md.</summary>
internal static partial class Document
{
    /// <summary>The rows of the table whose first heading is this, each as its cells.</summary>
    internal static IReadOnlyList<string[]> Table(string heading)
    {
        string[] rows = [.. File.ReadLines(Repository.Path("docs", "TELEMETRY.md"))
            .SkipWhile(line => !line.StartsWith($"| {heading} |", StringComparison.Ordinal))
            .TakeWhile(line => line.StartsWith('|'))];
        Assert.True(rows.Length > 2, $"There is no table '{heading}'.");
        return [.. rows.Skip(2).Select(row => row.Trim('|', ' ').Split(" | "))];
    }

    /// <summary>What stands in back-quotes.</summary>
    internal static IReadOnlyList<string> Quoted(string cell)
        => [.. Quote().Matches(cell).Select(match => match.Groups[1].Value)];

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quote();
}
