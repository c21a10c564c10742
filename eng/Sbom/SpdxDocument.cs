using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Xml.Linq;

namespace Sbom;

/// <summary>
/// A software bill of materials, SPDX 2.3 as JSON, of one project: itself, and every package that its lock file names,
/// direct and transitive, with the hash that restore checks it against. The same lock file and time give the same
/// bytes.
/// </summary>
internal static class SpdxDocument
{
    private const string Root = "SPDXRef-Root";

    internal static string Write(
        string name, string version, DateTimeOffset created, string lockFile, string projectFile)
    {
        IReadOnlyList<LockedPackage> packages = Read(lockFile, BuildOnly(projectFile));
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("spdxVersion", "SPDX-2.3");
            json.WriteString("dataLicense", "CC0-1.0");
            json.WriteString("SPDXID", "SPDXRef-DOCUMENT");
            json.WriteString("name", $"{name}-{version}");
            // Unique to what is described, as the specification asks (6.5), and nothing that has to exist.
            json.WriteString(
                "documentNamespace",
                $"https://spdx.org/spdxdocs/{name}-{version}-{Digest($"{name} {version} {created:O} {lockFile}")}");
            json.WriteStartObject("creationInfo");
            json.WriteString("created", created.UtcDateTime.ToString(
                "yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));
            json.WriteStartArray("creators");
            json.WriteStringValue("Tool: SafeAmqp-Sbom");
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteStartArray("documentDescribes");
            json.WriteStringValue(Root);
            json.WriteEndArray();
            json.WriteStartArray("packages");
            WritePackage(json, Root, name, version, null);
            foreach (LockedPackage package in packages)
                WritePackage(json, package.Id, package.Name, package.Version, package.ContentHash);
            json.WriteEndArray();
            json.WriteStartArray("relationships");
            WriteRelationship(json, "SPDXRef-DOCUMENT", "DESCRIBES", Root);
            foreach (LockedPackage package in packages.Where(package => package.IsDirect))
            {
                if (package.IsBuildOnly)
                    WriteRelationship(json, package.Id, "BUILD_TOOL_OF", Root);
                else
                    WriteRelationship(json, Root, "DEPENDS_ON", package.Id);
            }
            foreach (LockedPackage package in packages)
            {
                foreach (string dependency in package.Dependencies)
                {
                    if (packages.FirstOrDefault(
                        other => other.Name.Equals(dependency, StringComparison.OrdinalIgnoreCase)) is { } other)
                        WriteRelationship(json, package.Id, "DEPENDS_ON", other.Id);
                }
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(bytes.ToArray()) + "\n";
    }

    internal static int Count(string document)
    {
        using var json = JsonDocument.Parse(document);
        return json.RootElement.GetProperty("packages").GetArrayLength() - 1;
    }

    // What is needed to build and goes into no package: PrivateAssets="all", and what the SDK adds by itself.
    private static HashSet<string> BuildOnly(string projectFile)
        => XDocument.Parse(projectFile).Descendants("PackageReference")
            .Where(reference => (string?)reference.Attribute("PrivateAssets") == "all")
            .Select(reference => (string)reference.Attribute("Include")!)
            .Append("Microsoft.NET.ILLink.Tasks")
            .ToHashSet(StringComparer.OrdinalIgnoreCase);

    private static List<LockedPackage> Read(string lockFile, HashSet<string> buildOnly)
    {
        using var json = JsonDocument.Parse(lockFile);
        var packages = new SortedDictionary<string, LockedPackage>(StringComparer.OrdinalIgnoreCase);
        foreach (JsonProperty framework in json.RootElement.GetProperty("dependencies").EnumerateObject())
        {
            foreach (JsonProperty entry in framework.Value.EnumerateObject())
            {
                string type = entry.Value.GetProperty("type").GetString()!;
                if (type == "Project")
                    continue; // of this repository: it has a document of its own
                packages[entry.Name] = new LockedPackage(entry.Name, entry.Value.GetProperty("resolved").GetString()!,
                    entry.Value.GetProperty("contentHash").GetString()!, type == "Direct",
                    buildOnly.Contains(entry.Name),
                    entry.Value.TryGetProperty("dependencies", out JsonElement dependencies)
                        ? [.. dependencies.EnumerateObject().Select(dependency => dependency.Name)
                            .Order(StringComparer.OrdinalIgnoreCase)]
                        : []);
            }
        }
        return [.. packages.Values];
    }

    private static void WritePackage(Utf8JsonWriter json, string id, string name, string version, string? contentHash)
    {
        json.WriteStartObject();
        json.WriteString("SPDXID", id);
        json.WriteString("name", name);
        json.WriteString("versionInfo", version);
        json.WriteString("downloadLocation", "NOASSERTION");
        json.WriteBoolean("filesAnalyzed", false);
        json.WriteString("licenseConcluded", "NOASSERTION");
        json.WriteString("licenseDeclared", contentHash is null ? "MIT" : "NOASSERTION");
        json.WriteString("copyrightText", "NOASSERTION");
        if (contentHash is not null)
        {
            json.WriteString("comment", "The checksum is NuGet's content hash: of the package without "
                + "its repository's signature. Restore checks it.");
            json.WriteStartArray("checksums");
            json.WriteStartObject();
            json.WriteString("algorithm", "SHA512");
            json.WriteString("checksumValue", Convert.ToHexStringLower(Convert.FromBase64String(contentHash)));
            json.WriteEndObject();
            json.WriteEndArray();
        }
        json.WriteStartArray("externalRefs");
        json.WriteStartObject();
        json.WriteString("referenceCategory", "PACKAGE-MANAGER");
        json.WriteString("referenceType", "purl");
        json.WriteString("referenceLocator", $"pkg:nuget/{name}@{version}");
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRelationship(Utf8JsonWriter json, string element, string type, string related)
    {
        json.WriteStartObject();
        json.WriteString("spdxElementId", element);
        json.WriteString("relationshipType", type);
        json.WriteString("relatedSpdxElement", related);
        json.WriteEndObject();
    }

    private static string Digest(string text)
        => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];

    private sealed record LockedPackage(string Name, string Version, string ContentHash, bool IsDirect,
        bool IsBuildOnly, IReadOnlyList<string> Dependencies)
    {
        /// <summary>Letters, digits, dots and hyphens, as the specification allows.</summary>
        internal string Id => "SPDXRef-Package-" + string.Concat(
            $"{Name}-{Version}".Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '-'));
    }
}
