using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace SafeAmqp.FaultTests.Supply;

// The build's promises to users of the packages, held against the files that keep them.
public sealed partial class BuildPolicyTests
{
    private static readonly string[] Projects = [
        .. Directory.EnumerateFiles(Repository.Root, "*.csproj", SearchOption.AllDirectories)
        .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj" or "artifacts"))];

    private static XDocument Props => XDocument.Load(Repository.Path("Directory.Build.props"));

    private static string? Property(string name) => Props.Descendants(name).SingleOrDefault()?.Value;

    [Fact]
    public void Every_project_is_restored_from_a_lock_file_that_names_the_hash_of_each_package()
    {
        Assert.Equal("true", Property("RestorePackagesWithLockFile"));
        Assert.Contains(
            "'$(CI)' == 'true'",
            (string?)Props.Descendants("RestoreLockedMode").Single().Attribute("Condition"),
            StringComparison.Ordinal);
        Assert.Contains(
            "restore \"$solution\" --locked-mode",
            File.ReadAllText(Repository.Path(".ci", "run")),
            StringComparison.Ordinal);
        Assert.True(Projects.Length > 10);
        Assert.All(Projects, project =>
        {
            string file = Path.Combine(Path.GetDirectoryName(project)!, "packages.lock.json");
            Assert.True(File.Exists(file), $"{project} has no lock file.");
            using var json = JsonDocument.Parse(File.ReadAllText(file));
            foreach (JsonProperty entry in json.RootElement.GetProperty("dependencies").EnumerateObject()
                .SelectMany(framework => framework.Value.EnumerateObject()))
            {
                if (entry.Value.GetProperty("type").GetString() != "Project")
                    Assert.Equal(
                        64, Convert.FromBase64String(entry.Value.GetProperty("contentHash").GetString()!).Length);
            }
        });
    }

    [Fact]
    public void A_package_with_a_known_vulnerability_direct_or_not_fails_the_restore()
    {
        Assert.Equal(("true", "all", "low", "true"), (Property("NuGetAudit"), Property("NuGetAuditMode"),
            Property("NuGetAuditLevel"), Property("TreatWarningsAsErrors")));
        string errors = Property("WarningsAsErrors")!;
        Assert.All(
            (string[])["NU1901", "NU1902", "NU1903", "NU1904"],
            code => Assert.Contains(code, errors, StringComparison.Ordinal));
        // No project takes it back.
        Assert.All(Projects, project => Assert.DoesNotMatch(Loosened(), File.ReadAllText(project)));
    }

    [Fact]
    public void The_library_depends_on_one_client_and_on_abstractions_of_the_platform()
    {
        string[] references = [.. XDocument.Load(Repository.Path("src", "SafeAmqp", "SafeAmqp.csproj"))
            .Descendants("PackageReference")
            .Where(reference => (string?)reference.Attribute("PrivateAssets") != "all")
            .Select(reference => (string)reference.Attribute("Include")!)];
        Assert.Equal(
            ["RabbitMQ.Client"],
            references.Where(name => !name.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal)));
        Assert.All(
            ((string[])["SafeAmqp.Testing", "SafeAmqp.Testing.Hosting"]).SelectMany(name => XDocument.Load(
                Repository.Path("src", name, $"{name}.csproj")).Descendants("PackageReference")),
            reference => Assert.Equal("all", (string?)reference.Attribute("PrivateAssets")));
        Assert.Equal("true", Property("ManagePackageVersionsCentrally"));
    }

    // The analyzer compares the surface with the text, and every warning is an error.
    [Theory]
    [InlineData("SafeAmqp", 100)]
    [InlineData("SafeAmqp.Testing", 100)]
    [InlineData("SafeAmqp.Testing.Hosting", 3)]
    public void Nothing_public_comes_or_goes_unreviewed_or_shows_a_type_of_the_client_underneath(
        string project, int least)
    {
        string file = Repository.Path("src", project, $"{project}.csproj");
        Assert.Contains(XDocument.Load(file).Descendants("PackageReference"),
            reference => (string?)reference.Attribute("Include") == "Microsoft.CodeAnalysis.PublicApiAnalyzers");
        Assert.Equal("true", Property("TreatWarningsAsErrors"));
        string[] policies = [
            file, Repository.Path("Directory.Build.props"), Repository.Path(".editorconfig")];
        // But for the two that advise against overloads with optional parameters
        Assert.All(policies, policy => Assert.DoesNotMatch("RS00(?!26|27)", File.ReadAllText(policy)));

        string[] surface = [.. File.ReadLines(Repository.Path("src", project, "PublicAPI.Shipped.txt")),
            .. File.ReadLines(Repository.Path("src", project, "PublicAPI.Unshipped.txt"))];
        Assert.Equal(2, surface.Count(line => line == "#nullable enable"));
        Assert.True(surface.Length > least, "The text of the surface is gone.");
        Assert.DoesNotContain(surface, line => line.Contains("RabbitMQ.", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("System.DateTime.UtcNow")]
    [InlineData("System.Threading.Thread.Sleep")]
    [InlineData("System.Threading.Tasks.Task.Run")]
    [InlineData("System.Random.Shared")]
    [InlineData("RabbitMQ.Client.ConnectionFactory.Uri")]
    [InlineData("RabbitMQ.Client.SslOption.CertificateValidationCallback")]
    [InlineData("RabbitMQ.Client.SslOption.AcceptablePolicyErrors")]
    [InlineData("System.Type.GetType")]
    public void What_breaks_a_promise_is_banned_in_the_library_by_name(string symbol)
    {
        Assert.Contains(
            File.ReadLines(Repository.Path("src", "SafeAmqp", "BannedSymbols.txt")),
            line => line.Contains($":{symbol}", StringComparison.Ordinal));
        Assert.True(Exists(symbol), $"{symbol} does not exist: the ban bans nothing.");
    }

    // A misspelt ban is ignored in silence.
    [Fact]
    public void Every_ban_names_something_that_exists()
        => Assert.All(
            File.ReadLines(Repository.Path("src", "SafeAmqp", "BannedSymbols.txt")),
            line => Assert.True(Exists(line.Split(';')[0][2..].Split('(')[0].Split('`')[0]), line));

    [Fact]
    public void The_actor_awaits_nothing_and_reads_no_clock()
    {
        string[] files = [
            .. Directory.EnumerateFiles(Repository.Path("src", "SafeAmqp", "Actor"), "ConnectionActor*.cs"),
            .. Directory.EnumerateFiles(Repository.Path("src", "SafeAmqp", "Publishing"), "*.cs")
                .Where(file => Path.GetFileName(file) is not ("Credit.cs" or "OutgoingJob.cs")),
            Repository.Path("src", "SafeAmqp", "Consuming", "ConsumerChannel.cs"),
            Repository.Path("src", "SafeAmqp", "Consuming", "AckJoiner.cs")];
        Assert.True(files.Length > 8);
        Assert.All(files, file => Assert.DoesNotMatch(Asynchronous(), File.ReadAllText(file)));
    }

    [Fact]
    public void No_certificate_check_can_be_turned_off()
    {
        // Everything that a user can set about TLS, by name: a new one is reviewed here.
        Assert.Equal(
            ["CheckRevocation", "ClientCertificateFile", "ClientCertificates", "ClientKeyFile", "PinnedKeys",
                "ServerName", "TrustedRoots", "TrustedRootsFile"],
            typeof(AmqpTlsOptions).GetProperties().Select(property => property.Name).Order(StringComparer.Ordinal));
        Assert.All(Directory.EnumerateFiles(Repository.Path("src"), "*.cs", SearchOption.AllDirectories), file =>
            Assert.DoesNotMatch(AcceptsAll(), File.ReadAllText(file)));
    }

    private static bool Exists(string symbol)
    {
        // Those that nothing here has loaded.
        foreach (string assembly in (string[])[
            "RabbitMQ.Client", "System.Runtime.Serialization.Formatters", "System.Net.ServicePoint"])
            _ = System.Reflection.Assembly.Load(assembly);
        for (string type = symbol; ; type = type[..type.LastIndexOf('.')])
        {
            if (AppDomain.CurrentDomain.GetAssemblies().Select(assembly => assembly.GetType(type))
                .FirstOrDefault(found => found is not null) is { } owner)
                return type == symbol || owner.GetMember(symbol[(type.Length + 1)..]).Length > 0;
            if (!type.Contains('.', StringComparison.Ordinal))
                return false;
        }
    }

    [GeneratedRegex("<NuGetAudit>\\s*false|NuGetAuditSuppress|<TreatWarningsAsErrors>\\s*false|NU190[1-4]")]
    private static partial Regex Loosened();

    [GeneratedRegex(@"\bawait\b|\basync\b|\block \(|DateTime\.|Stopwatch|new Random\(")]
    private static partial Regex Asynchronous();

    [GeneratedRegex(@"Callback\s*=\s*\([^)]*\)\s*=>\s*true|DangerousAccept")]
    private static partial Regex AcceptsAll();
}
