using System.Text.RegularExpressions;

namespace SafeAmqp.FaultTests.Supply;

/// <summary>Tests that begin with the packages.</summary>
[CollectionDefinition(nameof(Published))]
public sealed class Published : ICollectionFixture<PackageFeed>;

/// <summary>The packages as they would be published, in a folder outside this one that gets packages from nowhere
/// else.</summary>
public sealed class PackageFeed : IAsyncLifetime
{
    internal static readonly string[] Packages = ["SafeAmqp", "SafeAmqp.Testing", "SafeAmqp.Testing.Hosting"];

    /// <summary>Where a new user would begin.</summary>
    internal string Folder { get; } = Directory.CreateTempSubdirectory("safeamqp-first-").FullName;

    internal string Feed => Path.Combine(Folder, "feed");

    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    public async ValueTask InitializeAsync()
    {
        foreach (string package in Packages)
            await Command.RunAsync(Folder, "dotnet", ["pack", Repository.Path("src", package), "--no-build",
                "-c", Configuration, "-o", Feed, "-nodeReuse:false", "-v:quiet"]);
        await File.WriteAllTextAsync(Path.Combine(Folder, "NuGet.Config"), NuGetConfig(isOnly: true));
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(Folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Does in bash what a page says, from one of the folders.</summary>
    internal Command Bash(string folder, string commands)
        => Command.Start(Path.Combine(Folder, folder), "bash",
            ["-ec", $"export NUGET_PACKAGES={Path.Combine(Folder, "packages")}\n{commands}"]);

    /// <summary>Keeps a program of a page for its commands.</summary>
    /// <returns>The file.</returns>
    internal string Keep(string program)
    {
        string file = Path.Combine(Folder, $"{Guid.NewGuid():N}.txt");
        File.WriteAllText(file, program);
        return file;
    }

    /// <summary>What docs/getting-started.md says under a heading, up to the next.</summary>
    internal static string Section(string heading)
    {
        string page = File.ReadAllText(Repository.Path("docs", "getting-started.md"));
        Match found = Regex.Match(page, $"^## {heading}\n(?<text>.*?)(^## |\\z)",
            RegexOptions.Singleline | RegexOptions.Multiline);
        Assert.True(found.Success, $"The page has no part '{heading}'.");
        return found.Groups["text"].Value;
    }

    /// <summary>The blocks of one language in a part of the page.</summary>
    internal static string[] Blocks(string text, string language)
        => [.. Regex.Matches(text, $"```{language}\n(?<block>.*?)```", RegexOptions.Singleline)
            .Select(block => block.Groups["block"].Value)];

    internal string VersionOf(string package)
        => Path.GetFileNameWithoutExtension(FileOf(package))[(package.Length + 1)..];

    internal string FileOf(string package)
        => Assert.Single(Directory.GetFiles(Feed, $"{package}.*.nupkg"),
            file => char.IsAsciiDigit(Path.GetFileName(file)[package.Length + 1]));

    /// <summary>Where packages come from. What has been fetched for this repository is not fetched again.</summary>
    /// <param name="isOnly">Whether from nowhere else; otherwise also from where this machine has them from.</param>
    internal string NuGetConfig(bool isOnly)
    {
        string fetched = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return $"""
            <configuration>
              <packageSources>
                {(isOnly ? "<clear />" : "")}
                <add key="built" value="{Feed}" />
              </packageSources>
              <fallbackPackageFolders>
                <add key="fetched" value="{fetched}" />
              </fallbackPackageFolders>
            </configuration>
            """;
    }
}
