using System.Text.RegularExpressions;

namespace SafeAmqp.Tests.Surface;

/// <summary>Programs on pages for users are compiled somewhere, and links lead somewhere.</summary>
public sealed partial class PagesTests
{
    private const string PackagePages = "https://www.nuget.org/packages/",
        Sources = "https://github.com/safeamqp/safeamqp/blob/main/";

    private static string[] PackageNames => [.. Directory.GetFiles(Repository.Path("src"), "*.csproj",
        new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1 })
        .Where(file => File.ReadAllText(file).Contains("<PackageId>", StringComparison.Ordinal))
        .Select(file => Path.GetFileNameWithoutExtension(file)!)];

    public static TheoryData<string> Packages => [.. PackageNames];

    private static string[] Pages => [Repository.Path("README.md"),
        .. Directory.GetFiles(Repository.Path("docs"), "*.md", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)];

    public static TheoryData<string> Names => [.. Pages.Select(
        page => Path.GetRelativePath(Repository.Root, page))];

    // <!-- FILE --> or <!-- FILE NAME --> before a program; in the file the part is between // <NAME> and // </NAME>.
    [Theory, MemberData(nameof(Names))]
    public void Every_program_of_a_page_is_taken_from_a_file_that_is_compiled(string page)
    {
        string text = File.ReadAllText(Repository.Path(page));
        MatchCollection programs = Programs().Matches(text);
        Assert.Equal(Regex.Count(text, "^```(csharp|cs|c#|yaml|yml|xml)", RegexOptions.Multiline), programs.Count);
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

    // A package page knows neither this repository's folders nor its comments in Markdown.
    [Theory, MemberData(nameof(Packages))]
    public void Every_link_of_a_packages_readme_works_on_its_package_page(string package)
    {
        string text = File.ReadAllText(Repository.Path("src", package, "README.md"));
        Assert.Empty(Links().Matches(text).Select(link => link.Value));
        Assert.DoesNotContain("<!--", text, StringComparison.Ordinal);
        string[] links = [.. AbsoluteLinks().Matches(text).Select(link => link.Groups["uri"].Value)];
        Assert.NotEmpty(links);
        Assert.All(links, link =>
        {
            if (link.StartsWith(PackagePages, StringComparison.Ordinal))
            {
                Assert.Contains(link[PackagePages.Length..], PackageNames);
                return;
            }
            Assert.StartsWith(Sources, link, StringComparison.Ordinal);
            string[] parts = link[Sources.Length..].Split('#');
            string file = Repository.Path(parts[0].Split('/'));
            Assert.True(File.Exists(file), $"{link} leads to no file");
            if (parts.Length > 1)
                Assert.Contains(parts[1], Headings().Matches(File.ReadAllText(file)).Select(Anchor));
        });
    }

    [Fact]
    public void The_program_of_the_librarys_package_page_is_compiled()
        => Assert.Contains($"```csharp\n{Compiled("samples/Hello/Program.cs", "")}```",
            File.ReadAllText(Repository.Path("src", "SafeAmqp", "README.md")), StringComparison.Ordinal);

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

    [GeneratedRegex(@"<!-- (?<file>\S+\.(cs|yaml|csproj))( (?<part>[\w-]+))? -->\n```\w+\n(?<code>.*?)```",
        RegexOptions.Singleline)]
    private static partial Regex Programs();

    [GeneratedRegex(@"^ *// <(?<part>[\w-]+)>\r?$", RegexOptions.Multiline)]
    private static partial Regex Begin();

    [GeneratedRegex(@"\]\((?!\w+:)(?<file>[^)#\s]*)(#(?<anchor>[^)\s]+))?\)")]
    private static partial Regex Links();

    [GeneratedRegex(@"\]\((?<uri>\w+:[^)\s]+)\)")]
    private static partial Regex AbsoluteLinks();

    [GeneratedRegex(@"^#+ (?<text>.+)$", RegexOptions.Multiline)]
    private static partial Regex Headings();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NotInAnchors();
}
