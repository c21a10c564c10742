using System.Diagnostics;

namespace LocalBroker.Tests;

/// <summary>
/// RabbitMQ of a folder that <c>eng/rabbitmq-4</c> has made. All of <see cref="A_private_node"/> holds for it too when
/// the environment names it.
/// </summary>
public sealed class A_root_of_its_own : IDisposable
{
    private readonly string? _root = Environment.GetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable);

    public void Dispose() => Environment.SetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable, _root);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("no/absolute/path")]
    [InlineData("/no-such-folder")]
    [InlineData("/usr/share")]
    public async Task A_folder_without_RabbitMQ_is_an_error_that_names_the_variable_and_says_what_to_do(string folder)
    {
        Environment.SetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable, folder);

        Assert.True(ChosenBroker.IsRabbitMq);
        Assert.Throws<BrokerUnavailableException>(() => PrivateRabbitMqNode.IsInstalled);
        var error = await Assert.ThrowsAsync<BrokerUnavailableException>(
            () => RabbitMqBroker.FindOrStartAsync(null, Stop));

        Assert.Equal(PrivateRabbitMqNodeOptions.RootVariable, error.Variable);
        if (!OperatingSystem.IsLinux()) return;
        Assert.Equal(
            "SAFEAMQP_RABBITMQ_ROOT must be the absolute path of a folder with a system that has RabbitMQ installed, "
            + $"as eng/rabbitmq-4 makes it, but is '{folder}'.", error.Message);
    }

    [Fact]
    public async Task The_option_wins_over_the_variable()
    {
        Environment.SetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable, "/no-such-folder");

        var error = await Assert.ThrowsAsync<ArgumentException>(
            () => PrivateRabbitMqNode.StartAsync(new() { Root = "/no-other-folder" }, Stop));
        Assert.Contains("Root", error.Message, StringComparison.Ordinal);
        Assert.Contains("'/no-other-folder'", error.Message, StringComparison.Ordinal);
        Assert.SkipUnless(PrivateRabbitMqNode.IsInstalledIn("/"), "RabbitMQ is not installed on this machine itself.");
        await using var node = await PrivateRabbitMqNode.StartAsync(new() { Root = "/" }, Stop);
        Assert.Equal(node.Version.ToString(), (await node.RabbitMqCtlAsync(["version"], Stop)).Trim());
    }

    [Fact]
    public async Task Its_nodes_run_its_version_under_the_same_paths_and_leave_no_mount_and_no_file_in_it()
    {
        string root = RequireRoot();
        var mounts = await MountsInAsync(root);
        var files = Files(root);
        string folder;
        await using (var node = await PrivateRabbitMqNode.StartAsync(cancellationToken: Stop))
        {
            folder = node.Folder;
            Assert.True(Directory.Exists(Path.Combine(root, $"usr/lib/rabbitmq/lib/rabbitmq_server-{node.Version}")));
            Assert.Equal(node.Version.ToString(), (await node.RabbitMqCtlAsync(["version"], Stop)).Trim());
            string data = await node.EvaluateAsync("rabbit:data_dir()", Stop);
            Assert.Equal(Path.Combine(folder, "mnesia"), Path.GetDirectoryName(data));
            Assert.NotEmpty(Directory.EnumerateFiles(Path.Combine(folder, "log"), $"{node.Name}*.log"));
            Assert.Equal(mounts, await MountsInAsync(root));
        }

        Leftovers.AssertNoneNow(folder);
        Assert.Equal(mounts, await MountsInAsync(root));
        Assert.Equal(files, Files(root));
    }

    [Fact]
    public async Task Three_of_its_nodes_make_a_cluster()
    {
        RequireRoot();
        var folders = new List<string>();
        await using (var cluster = await PrivateRabbitMqCluster.StartAsync(3, cancellationToken: Stop))
        {
            folders.AddRange(cluster.Nodes.Select(node => node.Folder));
            foreach (var node in cluster.Nodes)
            {
                string running = await node.EvaluateAsync(
                    "lists:join($ , [atom_to_list(N) || N <- lists:sort(rabbit_nodes:list_running())])", Stop);
                Assert.Equal(cluster.Nodes.Select(other => other.Name).Order(), running.Split(' ').Order());
            }
        }

        Assert.All(folders, Leftovers.AssertNoneNow);
    }

    [Fact]
    public async Task Without_the_right_to_mount_it_says_so_in_one_line()
    {
        RequireRoot();
        using var owner = StartOwner("--bounding-set=-sys_admin", "--inh-caps=-sys_admin");

        string error = await owner.StandardError.ReadToEndAsync(Stop);
        await owner.WaitForExitAsync(Stop);

        Assert.Contains(
            "cannot run here, as it needs root or user namespaces, for mounts of its own: true ended with code 1: ",
            error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_user_other_than_root_runs_it_in_a_user_namespace_and_leaves_nothing()
    {
        RequireRoot();
        using var owner = StartOwner("--reuid=65534", "--regid=65534", "--clear-groups");

        string? folder = await owner.StandardOutput.ReadLineAsync(Stop);
        if (folder is null)
        {
            string error = await owner.StandardError.ReadToEndAsync(Stop);
            Assert.Contains("user namespaces", error, StringComparison.Ordinal);
            Assert.Skip(error);
        }

        Assert.NotEmpty(Leftovers.Processes(folder));
        owner.Kill(); // SIGKILL
        await owner.WaitForExitAsync(Stop);

        await Leftovers.AssertNoneAsync(folder, Stop);
    }

    /// <summary>This program again, as the owner of a node, with fewer rights.</summary>
    private static Process StartOwner(params string[] rights)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Takes rights away from a child process, which needs root.");
        return Process.Start(new ProcessStartInfo("setpriv", [.. rights, NodeOwner.Program, NodeOwner.Argument])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    private static string RequireRoot()
    {
        string? root = Environment.GetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable);
        Assert.SkipWhen(root is null or "" or "/", $"{PrivateRabbitMqNodeOptions.RootVariable} names no folder.");
        NodeFixture.RequireRabbitMq();
        return root;
    }

    // Of the mounts of this process those below the root; others come and go with other programs.
    private static async Task<IEnumerable<string>> MountsInAsync(string root) =>
        (await File.ReadAllLinesAsync("/proc/self/mountinfo", Stop))
            .Where(line => line.Split(' ')[4].StartsWith($"{root.TrimEnd('/')}/", StringComparison.Ordinal));

    private static List<string> Files(string root)
    {
        var all = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.ReparsePoint,
        };
        string[] folders = ["tmp", "var", "etc", "proc", "dev", "root"];
        return
        [
            .. folders.Select(folder => Path.Combine(root, folder))
                .SelectMany(folder => Directory.EnumerateFileSystemEntries(folder, "*", all))
                .Order(StringComparer.Ordinal),
        ];
    }
}
