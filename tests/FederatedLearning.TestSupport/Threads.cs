namespace FederatedLearning.TestSupport;

/// <summary>The threads of this process, as the system names them.</summary>
internal static class Threads
{
    /// <summary>The names of all but the runtime's own, in order, each as often as there are threads.</summary>
    public static IReadOnlyList<string> Names
        => [.. Directory.GetDirectories("/proc/self/task").Select(NameOf).OfType<string>()
            .Where(name => !name.StartsWith('.')).Order(StringComparer.Ordinal)];

    public static int Named(string name) => Names.Count(one => one == name);

    private static string? NameOf(string task)
    {
        try
        {
            return File.ReadAllText(Path.Combine(task, "comm")).TrimEnd();
        }
        catch (IOException)
        {
            return null; // it has just ended
        }
    }
}
