using System.Diagnostics;
using System.Text;

namespace LocalBroker.Tests;

/// <summary>What a node has left behind on this machine.</summary>
internal static class Leftovers
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The processes that carry the node's folder in their environment: server, epmd, helpers, guard.
    /// </summary>
    public static List<string> Processes(string folder) =>
        [.. Environments(folder)
            .Select(process => Encoding.UTF8.GetString(Read(process.Key, "cmdline")).Replace('\0', ' '))];

    /// <summary>Whether that text (a node's name) stands in the environment of a process with this folder.</summary>
    public static bool Belongs(string folder, string text) => Environments(folder).Any(environment =>
        environment.Value.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text)) >= 0);

    /// <summary>Waits, within bounds, until neither process nor folder is left.</summary>
    public static async Task AssertNoneAsync(string folder, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        while ((Processes(folder).Count > 0 || Directory.Exists(folder)) && watch.Elapsed < Patience)
            await Task.Delay(50, cancellationToken);
        AssertNoneNow(folder);
    }

    public static void AssertNoneNow(string folder)
    {
        Assert.Empty(Processes(folder));
        Assert.False(Directory.Exists(folder), $"{folder} is still there.");
    }

    private static IEnumerable<KeyValuePair<string, byte[]>> Environments(string folder)
    {
        byte[] needle = Encoding.UTF8.GetBytes(folder + "/");
        return Directory.EnumerateDirectories("/proc")
            .Where(process => int.TryParse(Path.GetFileName(process), out _))
            .Select(process => KeyValuePair.Create(process, Read(process, "environ")))
            .Where(process => process.Value.AsSpan().IndexOf(needle) >= 0);
    }

    // A process that ends meanwhile, or is a zombie, has no environment.
    private static byte[] Read(string process, string file)
    {
        try
        {
            return File.ReadAllBytes(Path.Combine(process, file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
