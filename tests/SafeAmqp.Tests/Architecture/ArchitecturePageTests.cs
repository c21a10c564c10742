using System.Text.RegularExpressions;

namespace SafeAmqp.Tests.Architecture;

/// <summary>Holds <c>docs/architecture.md</c> against the code.</summary>
public sealed class ArchitecturePageTests
{
    private static readonly string Page = File.ReadAllText(Repository.Path("docs", "architecture.md"));

    [Fact]
    public void Every_source_file_that_the_page_names_exists()
    {
        string[] named = [.. Regex.Matches(Page, @"`([\w/.]+\.cs)`").Select(match => match.Groups[1].Value).Distinct()];
        Assert.True(named.Length > 30);
        Assert.All(named, file => Assert.True(File.Exists(Source(file)), $"{file} does not exist"));
    }

    [Fact]
    public void Every_function_that_the_page_names_is_in_its_file()
    {
        var named = Regex.Matches(Page, @"`([\w/.]+\.cs)`\s+`(\w+)`")
            .Select(match => (File: match.Groups[1].Value, Name: match.Groups[2].Value));
        Assert.All(named, place => Assert.Matches($@"\b{place.Name}\b", File.ReadAllText(Source(place.File))));
    }

    [Fact]
    public void Every_file_that_the_page_links_to_exists()
        => Assert.All(
            Regex.Matches(Page, @"\]\(([\w/.]+)\)").Select(match => match.Groups[1].Value),
            link => Assert.True(File.Exists(Repository.Path("docs", link)), $"{link} does not exist"));

    [Fact]
    public void Every_room_has_a_row()
        => Assert.All(RoomTests.Rooms, room => Assert.Contains($"| `{room.Data}` |", Page, StringComparison.Ordinal));

    private static string Source(string file) => Repository.Path("src", "SafeAmqp", file);
}
