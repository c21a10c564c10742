using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace LocalBroker.Tests;

public sealed class A_private_node : IClassFixture<NodeFixture>
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly NodeFixture _fixture;

    public A_private_node(NodeFixture fixture)
    {
        NodeFixture.RequireRabbitMq();
        _fixture = fixture;
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lists_its_connections_by_the_name_the_client_gave_and_closes_the_one_asked_for()
    {
        const string Odd = """a "name" with \ and {1,"x"}, ünïcödé""";
        await using var doomed = await ConnectAsync(Odd);
        await using var other = await ConnectAsync("other");
        var closed = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        doomed.ConnectionShutdownAsync += (_, e) =>
        {
            closed.TrySetResult(e.ReplyText);
            return Task.CompletedTask;
        };

        var connections = await _fixture.Node.ListConnectionsAsync(Stop);
        var listed = Assert.Single(connections, c => c.Name == Odd);
        Assert.Contains(connections, c => c is { Name: "other", User: "guest", State: "running" });
        await _fixture.Node.CloseConnectionAsync(listed.Pid, "the test says so", Stop);

        Assert.Contains("the test says so", await closed.Task.WaitAsync(Patience, Stop), StringComparison.Ordinal);
        Assert.True(other.IsOpen);
        await _fixture.Node.CloseAllConnectionsAsync("end", Stop);
        var watch = Stopwatch.StartNew();
        while ((await _fixture.Node.ListConnectionsAsync(Stop)).Any(c => c.Name is Odd or "other"))
            Assert.True(watch.Elapsed < Patience); // each is listed until its client has answered
    }

    [Fact]
    public async Task Lists_a_connection_in_its_handshake_which_has_said_nothing_of_itself()
    {
        using var silent = new TcpClient();
        await silent.ConnectAsync(_fixture.Node.Uri.Host, _fixture.Node.Port, Stop);
        await silent.GetStream().WriteAsync("AMQP\0\0\t\u0001"u8.ToArray(), Stop);
        Assert.Equal(1, await silent.GetStream().ReadAsync(new byte[1], Stop)); // of connection.start

        Assert.Contains(
            await _fixture.Node.ListConnectionsAsync(Stop), c => c is { Name: "", State: not "running" });
    }

    [Fact]
    public async Task Evaluates_what_it_is_asked_and_says_what_was_wrong()
    {
        const string Odd = "a \"text\" with \\ and ünïcödé\n";
        Assert.Equal(Odd, await _fixture.Node.EvaluateAsync(PrivateRabbitMqNode.Binary(Odd), Stop));
        Assert.Equal("", await _fixture.Node.EvaluateAsync("[]", Stop));
        Assert.Equal(new string('x', 100_000), await _fixture.Node.EvaluateAsync("lists:duplicate(100000, $x)", Stop));
        foreach (string wrong in (string[])["no_such_module:f()", "ok = error", "not text", "1 +"])
        {
            var error = await Assert.ThrowsAsync<PrivateRabbitMqNodeException>(
                () => _fixture.Node.EvaluateAsync(wrong, Stop));
            Assert.Contains(wrong, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Answers_many_requests_at_once_and_one_after_another()
    {
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 200),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Stop },
            async (i, stop) =>
            Assert.Equal(new string('y', i), await _fixture.Node.EvaluateAsync($"lists:duplicate({i}, $y)", stop)));
    }

    [Fact]
    public async Task Adds_a_virtual_host_in_which_guest_may_do_everything_and_deletes_it_with_what_is_in_it()
    {
        const string Name = "a \"host\" of one's own";
        await _fixture.Node.AddVirtualHostAsync(Name, Stop);
        await using (var connection = await ConnectAsync("there", Name))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: Stop))
        {
            await channel.QueueDeclareAsync(
                "mine", durable: true, exclusive: false, autoDelete: false, cancellationToken: Stop);
            await channel.QueueBindAsync("mine", "amq.topic", "#", cancellationToken: Stop); // to read and to write
        }

        await _fixture.Node.DeleteVirtualHostAsync(Name, Stop);
        Assert.Equal("false", await _fixture.Node.EvaluateAsync(
            $"atom_to_list(rabbit_vhost:exists({PrivateRabbitMqNode.Binary(Name)}))", Stop));
        await _fixture.Node.AddVirtualHostAsync(Name, Stop);
        await using (var connection = await ConnectAsync("new", Name))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: Stop))
            await Assert.ThrowsAsync<OperationInterruptedException>(
                () => channel.QueueDeclarePassiveAsync("mine", Stop));
        await _fixture.Node.DeleteVirtualHostAsync(Name, Stop);
    }

    [Fact]
    public async Task Blocks_publishers_while_the_memory_alarm_is_raised()
    {
        await using var connection = await ConnectAsync("publisher");
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Stop);
        var blocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var unblocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.ConnectionBlockedAsync += (_, _) => Task.FromResult(blocked.TrySetResult());
        connection.ConnectionUnblockedAsync += (_, _) => Task.FromResult(unblocked.TrySetResult());

        await _fixture.Node.SetMemoryAlarmAsync(true, Stop);
        await channel.BasicPublishAsync("", "nowhere", new byte[1], Stop);
        await blocked.Task.WaitAsync(Patience, Stop);
        Assert.False(unblocked.Task.IsCompleted);

        await _fixture.Node.SetMemoryAlarmAsync(false, Stop);
        await unblocked.Task.WaitAsync(Patience, Stop);
    }

    [Fact]
    public async Task Keeps_port_and_durable_data_when_it_is_killed_and_started_again()
    {
        int port = _fixture.Node.Port;
        await using (var connection = await ConnectAsync("before"))
        await using (var channel = await connection.CreateChannelAsync(cancellationToken: Stop))
            await channel.QueueDeclareAsync(
                "kept", durable: true, exclusive: false, autoDelete: false, cancellationToken: Stop);

        await _fixture.Node.KillAsync(Stop);
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => ConnectAsync("while dead"));
        await _fixture.Node.StartAgainAsync(Stop);

        Assert.Equal(port, _fixture.Node.Uri.Port);
        await using var again = await ConnectAsync("after");
        await using var reader = await again.CreateChannelAsync(cancellationToken: Stop);
        Assert.Equal("kept", (await reader.QueueDeclarePassiveAsync("kept", Stop)).QueueName);
    }

    [Fact]
    public async Task Answers_nothing_while_paused_and_everything_after()
    {
        await using var connection = await ConnectAsync("patient");
        await using var channel = await connection.CreateChannelAsync(cancellationToken: Stop);

        await _fixture.Node.PauseAsync(Stop);
        var declared = channel.QueueDeclareAsync(cancellationToken: Stop);
        await Assert.ThrowsAsync<TimeoutException>(() => declared.WaitAsync(TimeSpan.FromMilliseconds(500), Stop));
        await _fixture.Node.ResumeAsync(Stop);

        Assert.NotEmpty((await declared.WaitAsync(Patience, Stop)).QueueName);
    }

    [Fact]
    public async Task Refuses_connections_between_stop_app_and_start_app()
    {
        await _fixture.Node.StopAppAsync(Stop);
        await Assert.ThrowsAsync<BrokerUnreachableException>(() => ConnectAsync("while stopped"));
        await _fixture.Node.StartAppAsync(Stop);

        await using var connection = await ConnectAsync("after");
        Assert.True(connection.IsOpen);
    }

    [Fact]
    public async Task Carries_what_rabbitmqctl_complains_about_in_the_exception()
    {
        var error = await Assert.ThrowsAsync<PrivateRabbitMqNodeException>(
            () => _fixture.Node.RabbitMqCtlAsync(["delete_queue", "no such queue"], Stop));

        Assert.Contains("delete_queue", error.Message, StringComparison.Ordinal);
        Assert.Contains("not found", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Takes_its_delivery_acknowledgement_timeout_and_schedulers_from_the_options()
    {
        await using var node = await PrivateRabbitMqNode.StartAsync(
            new()
            {
                Schedulers = 2,
                BusyWait = true,
                ConsumerTimeout = TimeSpan.FromSeconds(7),
                ChannelTickInterval = TimeSpan.FromSeconds(2),
                ConfigurationLines = ["heartbeat = 13"],
            },
            Stop);

        string answer = await node.RabbitMqCtlAsync(["eval",
            "{application:get_env(rabbit, consumer_timeout), application:get_env(rabbit, channel_tick_interval), "
            + "application:get_env(rabbit, heartbeat), erlang:system_info(schedulers)}."], Stop);
        Assert.Equal("{{ok,7000},{ok,2000},{ok,13},2}", answer.Trim());
    }

    [Fact]
    public async Task Says_what_the_log_says_when_it_cannot_start()
    {
        var error = await Assert.ThrowsAsync<PrivateRabbitMqNodeException>(
            () => PrivateRabbitMqNode.StartAsync(new() { ConfigurationLines = ["no_such_setting = 1"] }, Stop));

        Assert.Contains("no_such_setting", error.Message, StringComparison.Ordinal);
    }

    // Once while it runs, and once in the midst of its start, when Erlang would start helpers of its own.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Leaves_nothing_but_the_logs_asked_for_when_its_owner_is_killed(bool started)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Looks for processes in /proc.");
        var logs = Directory.CreateTempSubdirectory("safeamqp-logs-");
        using var owner = Process.Start(new ProcessStartInfo(NodeOwner.Program, [NodeOwner.Argument])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { ["SAFEAMQP_NODE_LOGS"] = logs.FullName },
        })!;

        string? folder = started
            ? await owner.StandardOutput.ReadLineAsync(Stop)
            : await FolderOfAsync(owner.Id, runs: "beam.smp");
        Assert.NotNull(folder);
        Assert.NotEmpty(Leftovers.Processes(folder));
        if (started) await UntilLoggedAsync(folder);
        owner.Kill(); // SIGKILL
        await owner.WaitForExitAsync(Stop);

        await Leftovers.AssertNoneAsync(folder, Stop);
        string kept = Path.Combine(logs.FullName, Path.GetFileName(folder));
        Assert.True(started ? SaysThatItStarts(kept) : Directory.Exists(kept));
        logs.Delete(recursive: true);
    }

    /// <summary>The folder of the node that process owns, as soon as such a program runs for it.</summary>
    private static async Task<string> FolderOfAsync(int owner, string runs)
    {
        var watch = Stopwatch.StartNew();
        string pattern = string.Create(CultureInfo.InvariantCulture, $"rel-{owner}-");
        while (watch.Elapsed < Patience)
        {
            foreach (string folder in Directory.EnumerateDirectories(Path.GetTempPath(), "safeamqp-node-*"))
            {
                var running = Leftovers.Processes(folder);
                if (running.Exists(line => line.Contains(runs, StringComparison.Ordinal))
                    && Leftovers.Belongs(folder, pattern)) return folder;
            }

            await Task.Delay(20, Stop);
        }

        throw new TimeoutException($"No {runs} of process {owner} appeared.");
    }

    /// <summary>Erlang writes its log up to two seconds late, and what is not yet written dies with the node.</summary>
    private static async Task UntilLoggedAsync(string folder)
    {
        var watch = Stopwatch.StartNew();
        while (!SaysThatItStarts(Path.Combine(folder, "log")))
        {
            Assert.True(watch.Elapsed < Patience, $"No log in {folder} says that the node starts.");
            await Task.Delay(20, Stop);
        }
    }

    private static bool SaysThatItStarts(string logs) => Directory.EnumerateFiles(logs)
        .Any(log => File.ReadAllText(log).Contains("Starting RabbitMQ", StringComparison.Ordinal));

    private Task<IConnection> ConnectAsync(string name, string virtualHost = "/") => new ConnectionFactory
    {
        Uri = _fixture.Node.Uri,
        VirtualHost = virtualHost,
        AutomaticRecoveryEnabled = false,
    }.CreateConnectionAsync(name, Stop);
}
