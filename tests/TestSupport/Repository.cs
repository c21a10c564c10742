namespace TestSupport;

/// <summary>
/// Files of the repository, found from where the tests run: a deterministic build maps the paths of sources away.
/// </summary>
public static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    /// <summary>
    /// A folder with a Node.js program whose packages are installed; without them the test is skipped locally and
    /// fails in CI.
    /// </summary>
    public static string NodeFolder(params string[] parts)
    {
        string folder = Path(parts);
        Need(
            Directory.Exists(System.IO.Path.Combine(folder, "node_modules")),
            $"The packages of {string.Join('/', parts)} are not installed: npm ci --prefix {string.Join('/', parts)}");
        return folder;
    }

    /// <summary>Skips the test locally where something is missing; in CI it fails, which installs all.</summary>
    public static void Need(bool isThere, string otherwise)
    {
        if (isThere)
            return;
        Assert.SkipWhen(Environment.GetEnvironmentVariable("CI") != "true", otherwise);
        Assert.Fail(otherwise);
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "SafeAmqp.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}
