namespace FederatedLearning.Tests.Support;

/// <summary>Files of the repository that are not built.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    /// <summary>
    /// A folder with a Node.js program whose packages are installed; without them the test is skipped at a desk and
    /// fails where CI=true.
    /// </summary>
    public static string NodeFolder(params string[] parts)
    {
        var folder = Path.Combine([Root, .. parts]);
        Need(
            Directory.Exists(Path.Combine(folder, "node_modules")),
            $"The packages of {string.Join('/', parts)} are not installed: npm ci --prefix {string.Join('/', parts)}");
        return folder;
    }

    /// <summary>Skips the test at a desk, fails it where CI=true.</summary>
    public static void Need(bool isThere, string otherwise)
    {
        if (isThere)
            return;
        Assert.SkipWhen(Environment.GetEnvironmentVariable("CI") != "true", otherwise);
        Assert.Fail(otherwise);
    }

    private static string Find(DirectoryInfo? folder) => folder is null
        ? throw new InvalidOperationException("The tests do not run inside the repository.")
        : File.Exists(Path.Combine(folder.FullName, "SafeAmqp.sln")) ? folder.FullName : Find(folder.Parent);
}
