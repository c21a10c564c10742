
namespace SafeAmqp.Tests.Architecture;

/// <summary>Holds the library to its size: few files, none too long, none a crumb, few interfaces.</summary>
public sealed class HouseTests
{
    private const int MaxFiles = 108, MaxLines = 300, MinLines = 25, MaxColumns = 120, MaxInterfaces = 4;

    private static readonly string Folder = Repository.Path("src", "SafeAmqp");

    private static readonly Dictionary<string, string[]> Files = Directory
        .EnumerateFiles(Folder, "*.cs", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(Folder, file).Replace('\\', '/'))
        .Where(file => !file.StartsWith("obj/", StringComparison.Ordinal)
            && !file.StartsWith("bin/", StringComparison.Ordinal))
        .ToDictionary(file => file, file => File.ReadAllLines(Path.Combine(Folder, file)));

    [Fact]
    public void The_library_is_few_files() => Assert.InRange(Files.Count, 60, MaxFiles);

    [Fact]
    public void No_file_is_too_long_to_read_at_once()
        => Assert.Empty(Files.Where(file => file.Value.Length > MaxLines)
            .Select(file => $"{file.Key} has {file.Value.Length} lines; split it by idea"));

    [Fact]
    public void No_file_is_a_crumb_unless_it_is_what_users_see()
        => Assert.Empty(Files.Where(file => file.Value.Length < MinLines && !DeclaresAPublicType(file.Value))
            .Select(file => $"{file.Key} has {file.Value.Length} lines; put it beside what it belongs to"));

    [Fact]
    public void No_line_is_wider_than_the_page()
        => Assert.Empty(Files.SelectMany(file => file.Value
            .Select((line, index) => (Place: $"{file.Key}:{index + 1}", line.Length))
            .Where(line => line.Length > MaxColumns)));

    [Fact]
    public void An_internal_interface_is_rare()
    {
        string[] interfaces = [.. typeof(AmqpClient).Assembly.GetTypes()
            .Where(type => type is { IsInterface: true, IsVisible: false }
                && type.Namespace?.StartsWith(nameof(SafeAmqp), StringComparison.Ordinal) == true)
            .Select(type => type.Name)];
        Assert.True(interfaces.Length <= MaxInterfaces, string.Join(", ", interfaces));
        Assert.Contains("IBrokerLink", interfaces);
    }

    private static bool DeclaresAPublicType(string[] lines)
        => lines.Any(line => line.StartsWith("public ", StringComparison.Ordinal));
}
