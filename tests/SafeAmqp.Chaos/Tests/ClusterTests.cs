using System.Diagnostics;
using System.Globalization;
using LocalBroker;

namespace SafeAmqp.Chaos.Tests;

public sealed class ClusterTests
{
    [Fact]
    public async Task Of_a_runner_that_is_killed_no_node_and_no_folder_is_left()
    {
        Cluster.Require();
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Reads /proc.");
        string output = Directory.CreateTempSubdirectory("safeamqp-chaos-").FullName;
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardError = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(ClusterTests).Assembly.Location);
        foreach (string argument in (string[])["--minutes", "5", "--seed", "1", "--folder", output, "--only", "reset"])
            start.ArgumentList.Add(argument);
        using Process runner = Process.Start(start)!;
        List<string> folders = [];
        string prefix = $"rel-{runner.Id.ToString(CultureInfo.InvariantCulture)}-";
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            limit.CancelAfter(TimeSpan.FromMinutes(3));
            // The first fault has struck: everything runs.
            while (await runner.StandardError.ReadLineAsync(limit.Token) is { } line
                && !line.Contains("links lost", StringComparison.Ordinal))
                ;
            folders = [.. NodesOf(prefix)];
            Assert.Equal(3, folders.Count);
        }
        finally
        {
            runner.Kill();
        }
        long begin = TimeProvider.System.GetTimestamp();
        while ((NodesOf(prefix).Count > 0 || folders.Exists(Directory.Exists))
            && TimeProvider.System.GetElapsedTime(begin) < TimeSpan.FromSeconds(30))
            await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Empty(NodesOf(prefix));
        Assert.DoesNotContain(folders, Directory.Exists);
        Directory.Delete(output, recursive: true);
    }

    [Fact]
    public async Task Three_nodes_form_one_cluster_and_go_together()
    {
        Cluster.Require();
        string[] folders;
        await using (PrivateRabbitMqCluster cluster = await PrivateRabbitMqCluster.StartAsync(
            3, cancellationToken: TestContext.Current.CancellationToken))
        {
            folders = [.. cluster.Nodes.Select(node => node.Folder)];
            foreach (PrivateRabbitMqNode node in cluster.Nodes)
                Assert.Equal("3", (await node.RabbitMqCtlAsync(
                    ["eval", "length(rabbit_nodes:all_running())."], TestContext.Current.CancellationToken)).Trim());
        }
        Assert.DoesNotContain(folders, Directory.Exists);
    }

    /// <summary>The homes of the nodes that run and whose names begin so; both stand in their environment.</summary>
    private static List<string> NodesOf(string prefix) =>
        [.. Directory.EnumerateDirectories("/proc").Where(process => int.TryParse(Path.GetFileName(process), out _))
            .Where(process => Read(process, "cmdline").Contains("beam.smp", StringComparison.Ordinal))
            .Select(process => Read(process, "environ").Split('\0'))
            .Where(environment => environment.Any(
                variable => variable.StartsWith($"RABBITMQ_NODENAME={prefix}", StringComparison.Ordinal)))
            .Select(environment => environment.First(variable => variable.StartsWith(
                "HOME=", StringComparison.Ordinal))["HOME=".Length..])];

    private static string Read(string process, string file)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, file));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return ""; // no process any more
        }
    }
}
