using System.Globalization;
using Sbom;

if (args is not [var project, var version, var output])
{
    Console.Error.WriteLine(
        "Usage: Sbom <folder of a project, with its packages.lock.json> <its version> <file to write, *.spdx.json>");
    return 2;
}
// SOURCE_DATE_EPOCH: the time of what is described, so that the same commit gives the same document
// (reproducible-builds.org).
var created = long.TryParse(
    Environment.GetEnvironmentVariable("SOURCE_DATE_EPOCH"), CultureInfo.InvariantCulture, out long seconds)
    ? DateTimeOffset.FromUnixTimeSeconds(seconds)
    : DateTimeOffset.UtcNow;
string folder = Path.GetFullPath(project), name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
string document = SpdxDocument.Write(
    name, version, created, File.ReadAllText(Path.Combine(folder, "packages.lock.json")),
    File.ReadAllText(Path.Combine(folder, $"{name}.csproj")));
if (Path.GetDirectoryName(Path.GetFullPath(output)) is { } target)
    Directory.CreateDirectory(target);
File.WriteAllText(output, document);
Console.WriteLine($"{output}: {SpdxDocument.Count(document)} packages");
return 0;
