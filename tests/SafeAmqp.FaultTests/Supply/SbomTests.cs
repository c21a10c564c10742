using System.Text.Json;
using System.Text.RegularExpressions;
using Sbom;

namespace SafeAmqp.FaultTests.Supply;

public sealed partial class SbomTests
{
    private static readonly DateTimeOffset Created = new(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(2));

    private static string LockFile(string project)
        => File.ReadAllText(Repository.Path("src", project, "packages.lock.json"));

    private static string Document(string project) => SpdxDocument.Write(project, "1.2.3", Created, LockFile(project),
        File.ReadAllText(Repository.Path("src", project, $"{project}.csproj")));

    [Theory]
    [InlineData("SafeAmqp", "RabbitMQ.Client")]
    [InlineData("SafeAmqp.Testing", null)]
    public void Every_locked_package_is_named_once_with_its_version_and_the_hash_that_restore_checks(
        string project, string? dependency)
    {
        using var spdx = JsonDocument.Parse(Document(project));
        using var locked = JsonDocument.Parse(LockFile(project));
        var entries = locked.RootElement.GetProperty("dependencies").EnumerateObject()
            .SelectMany(framework => framework.Value.EnumerateObject())
            .Where(entry => entry.Value.GetProperty("type").GetString() != "Project").ToList();
        var packages = spdx.RootElement.GetProperty("packages").EnumerateArray().ToList();
        Assert.Equal(entries.Count + 1, packages.Count);
        Assert.NotEmpty(entries);
        foreach (JsonProperty entry in entries)
        {
            JsonElement package = Assert.Single(
                packages, package => package.GetProperty("name").GetString() == entry.Name);
            string version = entry.Value.GetProperty("resolved").GetString()!;
            Assert.Equal(version, package.GetProperty("versionInfo").GetString());
            Assert.Equal(
                Convert.ToHexStringLower(Convert.FromBase64String(entry.Value.GetProperty("contentHash").GetString()!)),
                package.GetProperty("checksums")[0].GetProperty("checksumValue").GetString());
            Assert.Equal(
                $"pkg:nuget/{entry.Name}@{version}",
                package.GetProperty("externalRefs")[0].GetProperty("referenceLocator").GetString());
        }
        if (dependency is not null)
            Assert.Contains(
                Relationships(spdx),
                r => r is ("SPDXRef-Root", "DEPENDS_ON", var to) && to.Contains(dependency, StringComparison.Ordinal));
        Assert.Contains(Relationships(spdx), r => r is (var from, "BUILD_TOOL_OF", "SPDXRef-Root")
            && from.Contains("BannedApiAnalyzers", StringComparison.Ordinal));
        Assert.DoesNotContain(
            Relationships(spdx),
            r => r is ("SPDXRef-Root", "DEPENDS_ON", var to) && to.Contains("Analyzers", StringComparison.Ordinal));
    }

    [Fact]
    public void It_is_a_document_as_SPDX_2_3_asks()
    {
        using var spdx = JsonDocument.Parse(Document("SafeAmqp"));
        JsonElement root = spdx.RootElement;
        Assert.Equal(("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"), (root.GetProperty("spdxVersion")
            .GetString(), root.GetProperty("dataLicense").GetString(), root.GetProperty("SPDXID").GetString()));
        Assert.Equal("2026-01-02T01:04:05Z", root.GetProperty("creationInfo").GetProperty("created").GetString());
        Assert.True(Uri.TryCreate(root.GetProperty("documentNamespace").GetString(), UriKind.Absolute, out Uri? space)
            && space.Fragment.Length == 0);
        string[] ids = [.. root.GetProperty("packages").EnumerateArray()
            .Select(package => package.GetProperty("SPDXID").GetString()!)];
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Matches(Id(), id));
        // Relationships point at what is there.
        Assert.All(Relationships(spdx), r =>
        {
            Assert.Contains(r.From, ids.Append("SPDXRef-DOCUMENT"));
            Assert.Contains(r.To, ids);
        });
        // Everything hangs together: from the root, over what it depends on, every package but the build's tools is
        // reached.
        var reached = new HashSet<string> { "SPDXRef-Root" };
        for (int before = 0; before != reached.Count;)
        {
            before = reached.Count;
            reached.UnionWith(
                Relationships(spdx).Where(r => r.Type == "DEPENDS_ON" && reached.Contains(r.From)).Select(r => r.To));
        }
        var tools = Relationships(spdx).Where(r => r.Type == "BUILD_TOOL_OF").Select(r => r.From);
        Assert.Equal(ids.Order(), reached.Union(tools).Order());
    }

    [Fact]
    public void The_same_lock_file_gives_the_same_bytes_and_another_gives_others()
    {
        Assert.Equal(Document("SafeAmqp"), Document("SafeAmqp"));
        Assert.DoesNotContain('\r', Document("SafeAmqp"));
        string other = SpdxDocument.Write("SafeAmqp",
            "1.2.3", Created, LockFile("SafeAmqp").Replace("7.2.2", "7.2.3", StringComparison.Ordinal),
            File.ReadAllText(Repository.Path("src", "SafeAmqp", "SafeAmqp.csproj")));
        Assert.NotEqual(Document("SafeAmqp"), other);
        Assert.Contains("pkg:nuget/RabbitMQ.Client@7.2.3", other, StringComparison.Ordinal);
    }

    private static List<(string From, string Type, string To)> Relationships(JsonDocument spdx)
        => [.. spdx.RootElement.GetProperty("relationships").EnumerateArray()
        .Select(r => (
            r.GetProperty("spdxElementId").GetString()!,
            r.GetProperty("relationshipType").GetString()!,
            r.GetProperty("relatedSpdxElement").GetString()!))];

    [GeneratedRegex("^SPDXRef-[A-Za-z0-9.-]+$")]
    private static partial Regex Id();
}
