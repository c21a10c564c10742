using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;

namespace SafeAmqp.FaultTests.Supply;

// Anyone who doubts a package can build it again from its commit and compare.
public sealed class ReproduciblePackTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("safeamqp-pack-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Built_twice_in_different_places_the_packages_are_the_same_to_the_byte()
    {
        Assert.SkipUnless(
            Directory.Exists(Repository.Path(".git")) || File.Exists(Repository.Path(".git")),
            "Not a clone: the packages name their commit.");
        Dictionary<string, string>[] built = await Task.WhenAll(
            PackAsync("a"), PackAsync("another-place/with a longer name"));
        Assert.Contains(built[0].Keys, name => name.EndsWith(".nupkg", StringComparison.Ordinal));
        Assert.Contains(built[0].Keys, name => name.EndsWith(".snupkg", StringComparison.Ordinal));
        Assert.All(
            (string[])["Analyzers", "CodeFixes"],
            part => Assert.Contains(built[0].Values, content => content.Contains(
                $"analyzers/dotnet/cs/SafeAmqp.{part}.dll", StringComparison.Ordinal)));
        Assert.Equal(built[0].Keys.Order(), built[1].Keys.Order());
        foreach ((string package, string content) in built[0])
            Assert.True(
                content == built[1][package],
                $"{package}:\n{string.Join('\n', content.Split('\n').Except(built[1][package].Split('\n')))}");
    }

    private async Task<Dictionary<string, string>> PackAsync(string place)
    {
        string clone = Path.Combine(_folder, place), output = Path.Combine(clone, "artifacts", "pack");
        await RunAsync("git", ["clone", "--quiet", "--no-hardlinks", Repository.Root, clone], _folder);
        await RunAsync("dotnet", ["pack", "src/SafeAmqp", "-c", "Release", "-o", output,
            "-p:ContinuousIntegrationBuild=true", "-p:RestoreLockedMode=true", "-p:RunAnalyzers=false",
            "-nodeReuse:false", "-v:quiet"], clone);
        return Directory.EnumerateFiles(output).ToDictionary(file => Path.GetFileName(file), Describe);
    }

    // The hash of the whole, and of each part, so that a difference says where it is.
    private static string Describe(string package)
    {
        using ZipArchive zip = ZipFile.OpenRead(package);
        return $"{Hash(File.ReadAllBytes(package))}\n" + string.Join('\n', zip.Entries.Select(entry =>
        {
            using Stream content = entry.Open();
            using var bytes = new MemoryStream();
            content.CopyTo(bytes);
            return $"{entry.FullName} {Hash(bytes.ToArray())} {entry.LastWriteTime:O}";
        }));
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes))[..16];

    private static async Task RunAsync(string program, string[] arguments, string folder)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment.Remove("MSBuildSDKsPath");
        start.Environment.Remove("MSBUILD_EXE_PATH");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(8));
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {await output}{await errors}");
    }
}
