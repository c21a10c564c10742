using System.Text.RegularExpressions;

namespace SafeAmqp.Tests.Surface;

/// <summary>Programs on pages for users are compiled somewhere, and links lead somewhere.</summary>
public sealed partial class PagesTests
{
    private static string[] Pages => [Repository.Path("README.md"),
        .. Directory.GetFiles(Repository.Path("docs"), "*.md").Order(StringComparer.Ordinal)];

    public static TheoryData<string> Names => [.. Pages.Select(
        page => Path.GetRelativePath(Repository.Root, page))];

    // <!-- FILE --> or <!-- FILE NAME --> before a program; in the file the part is between // <NAME> and // </NAME>.
    [Theory, MemberData(nameof(Names))]
    public void Every_program_of_a_page_is_taken_from_a_file_that_is_compiled(string page)
    {
        string text = File.ReadAllText(Repository.Path(page));
        MatchCollection programs = Programs().Matches(text);
        Assert.Equal(Regex.Count(text, "^```(csharp|cs|c#)", RegexOptions.Multiline), programs.Count);
        Assert.All(programs, program => Assert.Equal(
            Compiled(program.Groups["file"].Value, program.Groups["part"].Value), program.Groups["code"].Value));
    }

    [Fact]
    public void Every_part_that_is_marked_for_a_page_is_on_one()
    {
        string[] shown = [.. Pages.SelectMany(page => Programs().Matches(File.ReadAllText(page)))
            .Select(program => $"{program.Groups["file"].Value} {program.Groups["part"].Value}")];
        string[] marked = [.. Directory.GetFiles(Repository.Path("samples", "Guide"), "*.cs").SelectMany(
            file => Begin().Matches(File.ReadAllText(file)).Select(
                begin => $"samples/Guide/{Path.GetFileName(file)} {begin.Groups["part"].Value}"))];
        Assert.NotEmpty(marked);
        Assert.Empty(marked.Except(shown));
    }

    [Theory, MemberData(nameof(Names))]
    public void Every_link_of_a_page_leads_to_a_file_and_its_heading(string page)
    {
        string path = Repository.Path(page);
        Assert.All(Links().Matches(File.ReadAllText(path)), link =>
        {
            string file = link.Groups["file"].Value is { Length: > 0 } other
                ? Path.Combine(Path.GetDirectoryName(path)!, other) : path;
            Assert.True(Path.Exists(file), $"{link.Value} leads to no file");
            if (link.Groups["anchor"].Value is { Length: > 0 } anchor)
                Assert.Contains(anchor, Headings().Matches(File.ReadAllText(file)).Select(Anchor));
        });
    }

    private static string Compiled(string file, string part)
    {
        string source = File.ReadAllText(Repository.Path(file.Split('/')));
        if (part.Length == 0)
            return source;
        string[] lines = [.. source.Split('\n').SkipWhile(line => line.Trim() != $"// <{part}>").Skip(1)
            .TakeWhile(line => line.Trim() != $"// </{part}>")];
        Assert.True(lines.Length > 0, $"{file} has no part {part}");
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Concat(lines.Select(line => line[Math.Min(indent, line.Length)..] + "\n"));
    }

    // As GitHub and package pages make them
    private static string Anchor(Match heading) => NotInAnchors().Replace(
        heading.Groups["text"].Value.Trim().ToLowerInvariant(), "").Replace(' ', '-');

    [GeneratedRegex(@"<!-- (?<file>\S+\.cs)( (?<part>[\w-]+))? -->\n```csharp\n(?<code>.*?)```",
        RegexOptions.Singleline)]
    private static partial Regex Programs();

    [GeneratedRegex(@"^ *// <(?<part>[\w-]+)>\r?$", RegexOptions.Multiline)]
    private static partial Regex Begin();

    [GeneratedRegex(@"\]\((?!\w+:)(?<file>[^)#\s]*)(#(?<anchor>[^)\s]+))?\)")]
    private static partial Regex Links();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Headings();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchors();
}
