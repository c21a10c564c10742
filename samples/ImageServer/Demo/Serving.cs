using ImageServer.Local;
using ImageServer.Protocol;

namespace ImageServer.Demo;

/// <summary>The whole system on this machine, for people to try.</summary>
internal static class Serving
{
    public static async Task RunAsync(IReadOnlyList<string> folders, CancellationToken cancellationToken)
    {
        await using var system = await LocalSystem.StartAsync(workers: 2, new Dictionary<string, string>
        {
            ["PORT"] = $"{ImageConnection.DefaultPort}",
            ["PATHS"] = string.Join(Path.PathSeparator, folders.Select(Path.GetFullPath)),
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:5580",
        }, cancellationToken: cancellationToken);
        Console.WriteLine(system.Broker);
        Console.WriteLine(
            $"Image server at localhost:{system.Port}, live page at {system.Page}, two workers. Ctrl+C ends them all.");
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }
}
