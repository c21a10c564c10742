using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace SafeAmqp.FaultTests.Supply;

// What a new user does, with the packages as they would be published: in a folder outside this one, from a feed of its
// own.
public sealed class FirstHourTests : FaultCase
{
    // Half a minute alone.
    private static readonly TimeSpan CommandLimit = TimeSpan.FromMinutes(8);

    private static readonly string[] Packages = ["SafeAmqp", "SafeAmqp.Testing", "SafeAmqp.Testing.Hosting"];

    private readonly string _folder = Directory.CreateTempSubdirectory("safeamqp-first-").FullName;

    private static string Configuration => new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    private string Feed => Path.Combine(_folder, "feed");

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task From_an_empty_folder_the_commands_of_the_page_lead_to_a_publisher_and_a_consumer_that_run()
    {
        foreach (string package in Packages)
            await RunAsync("dotnet", ["pack", Repository.Path("src", package), "--no-build", "-c", Configuration,
                "-o", Feed, "-nodeReuse:false", "-v:quiet"]);
        Assert.All(Packages, AssertDescribed);
        AmqpTestBroker broker = await BrokerAsync();
        (string commands, string program) = FirstProgram();
        Assert.InRange(Regex.Count(commands + "&& dotnet run", "\n|&&"), 1, 5);
        await File.WriteAllTextAsync(Path.Combine(_folder, "NuGet.Config"), NuGetConfig(), Cancelled);
        await File.WriteAllTextAsync(Path.Combine(_folder, "Program.cs"), program.Replace(
            "amqp://guest:guest@localhost:5672/", broker.Uri.ToString(), StringComparison.Ordinal), Cancelled);

        // Enter is pressed when the last order has been printed.
        HashSet<string> printed = [.. Enumerable.Range(0, 100).Select(i => $"order {i}")];
        string[] orders = [.. printed];
        await RunAsync("bash", ["-ec", $"export NUGET_PACKAGES=$PWD/packages\n{commands}\n"
            + "cp ../Program.cs .\ndotnet run"], line => printed.Remove(line) && printed.Count == 0);

        Assert.Empty(printed);
        Assert.Equal(orders.Order(StringComparer.Ordinal), (await broker.LookAsync(view => view.Published(
            queue: "orders").Select(message => message.Text).ToArray())).Order(StringComparer.Ordinal));
    }

    // What a package page shows, and what a restore follows.
    private void AssertDescribed(string package)
    {
        string file = Assert.Single(Directory.GetFiles(Feed, $"{package}.*.nupkg"),
            file => char.IsAsciiDigit(Path.GetFileName(file)[package.Length + 1]));
        using ZipArchive zip = ZipFile.OpenRead(file);
        using Stream nuspec = zip.GetEntry($"{package}.nuspec")!.Open();
        Dictionary<string, string> described = XDocument.Load(nuspec).Root!.Elements().Single().Elements()
            .ToDictionary(element => element.Name.LocalName, element => element.Value);
        Assert.Equal((package, "MIT", "README.md", "icon.png"),
            (described["id"], described["license"], described["readme"], described["icon"]));
        Assert.All((string[])["LICENSE", described["readme"], described["icon"], $"lib/net10.0/{package}.dll",
            $"lib/net10.0/{package}.xml"], entry => Assert.NotNull(zip.GetEntry(entry)));
        Assert.EndsWith("/CHANGELOG.md", described["releaseNotes"], StringComparison.Ordinal);
        Assert.True(described["description"].Length > 40 && described["tags"].Contains("rabbitmq"), package);
    }

    private static (string Commands, string Program) FirstProgram()
    {
        string page = File.ReadAllText(Repository.Path("docs", "getting-started.md"));
        Match found = Regex.Match(page,
            "## A console program\n.*?```bash\n(?<commands>.*?)```.*?```csharp\n(?<program>.*?)```",
            RegexOptions.Singleline);
        return (found.Groups["commands"].Value.TrimEnd(), found.Groups["program"].Value);
    }

    // What has been fetched for this repository is not fetched again.
    private string NuGetConfig()
    {
        string fetched = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return $"""
            <configuration>
              <packageSources>
                <add key="built" value="{Feed}" />
              </packageSources>
              <fallbackPackageFolders>
                <add key="fetched" value="{fetched}" />
              </fallbackPackageFolders>
            </configuration>
            """;
    }

    // Its input ends with the first line of output that is enough.
    private async Task RunAsync(string program, string[] arguments, Func<string, bool>? isEnough = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment.Remove("MSBuildSDKsPath");
        start.Environment.Remove("MSBUILD_EXE_PATH");
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> output = ReadAsync(process, isEnough ?? (_ => false));
            Task<string> errors = process.StandardError.ReadToEndAsync(Cancelled);
            await process.WaitForExitAsync(Cancelled).WaitAsync(CommandLimit);
            Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with "
                + $"{process.ExitCode}:\n{await output}{await errors}");
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static async Task<string> ReadAsync(Process process, Func<string, bool> isEnough)
    {
        var said = new StringBuilder();
        while (await process.StandardOutput.ReadLineAsync(Cancelled) is { } line)
        {
            said.AppendLine(line);
            if (isEnough(line))
                process.StandardInput.Close();
        }
        return said.ToString();
    }
}
