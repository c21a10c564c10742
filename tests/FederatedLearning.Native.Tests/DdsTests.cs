using System.Globalization;
using ChildPrograms;
using FederatedLearning.Dds;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;

namespace FederatedLearning.Tests;

public sealed class DdsTests
{
    // Up to 99. Suites may run side by side and have domains of their own: the programs of FederatedLearning.Tests 100
    // to 109, FederatedLearning.Protocols.Tests 110 to 199, the programs of this suite those above.
    private static int _lastDomain = Environment.ProcessId % 10 * 10;
    private readonly DdsSettings _settings = new() { Domain = Interlocked.Increment(ref _lastDomain) % 100 };
    private readonly CPeer _peers;

    public DdsTests(CPeer peers)
    {
        _peers = peers;
        Repository.Need(DdsProtocolHandler.FindMissing() is null, DdsProtocolHandler.FindMissing() ?? "");
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Clients_train_from_registration_to_the_end_beside_one_in_C_and_every_thread_ends()
    {
        await using (var training = await TrainingHost.StartAsync(
            loggers => new DdsProtocolHandler(_settings, loggers), rounds: 4, minClients: 3, values: 50_000))
        {
            await using var peer = _peers.Start(_settings.Domain, "train", "7", "4");
            var members = new[]
            {
                training.Join("1", Link, new SteppingLearner(10, 1)),
                training.Join("2", Link, new SteppingLearner(20, 2.5f)),
            };
            var end = await training.CompleteAsync(members);
            Assert.Equal(0, await peer.EndAsync(Token));
            Assert.Contains("training_complete", peer.LastLines);
            Assert.All(end.Rounds, round => Assert.Equal((3, 3, 0), (round.Updates, round.Evaluations, round.Missed)));
            Assert.Equal(0, end.Counts.Refused);
            Assert.Contains("Client received global model for round 4", training.Lines.All);
            Assert.Contains("Client starting evaluation for round 3", training.Lines.All);
            Assert.Contains("[DDS] Sent global_model to client 2 (partition: 2)", training.Lines.All);
            Assert.InRange(training.Traffic.BytesIn, 12 * 266_000, 12 * 270_000);
            await training.StopServerAsync();
            Assert.Contains("[DDS] Server stopped", training.Lines.All);
        }
        await Until.TrueAsync(
            () => Task.FromResult(Threads.Named("fl-dds-server") + Threads.Named("fl-dds-client") == 0),
                "no thread is left");
    }

    [Fact]
    public async Task A_client_that_is_killed_is_noticed_and_one_that_joins_late_takes_part()
    {
        await using var training = await TrainingHost.StartAsync(
            loggers => new DdsProtocolHandler(_settings, loggers), rounds: 5, minClients: 2);
        await using var victim = _peers.Start(_settings.Domain, "stall", "9");
        await victim.LineAsync("registered", Token);
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = training.Join("1", Link, new SteppingLearner(10, 1)
        {
            InTheMiddle = (round, cancel) => round == 3 ? late.Task.WaitAsync(cancel) : Task.CompletedTask,
        });
        await training.UntilAsync(now => now.Round == 1 && now.Received == 1, "the victim alone is awaited");
        victim.Kill();
        await training.UntilAsync(now => now.Rounds.Count >= 1, "round 1 ends without the one that was killed");
        var third = training.Join("3", Link, new SteppingLearner(30, 3));
        await training.UntilAsync(now => now.Clients.Any(client => client.Id == "3"), "the late one is there");
        late.TrySetResult();
        var end = await training.CompleteAsync(first, third);
        Assert.Equal((1, 2), (end.Rounds[0].Updates, end.Rounds[^1].Updates));
        Assert.Contains("[DDS] Client 9 left: its writer is gone", training.Lines.All);
    }

    [Fact]
    public async Task A_message_of_128_MiB_goes_in_both_directions_between_processes()
    {
        await using var running = await StartAsync();
        await using var peer = _peers.Start(_settings.Domain, "echo", "1");
        Assert.Equal("registered 1", await running.Federation.NextAsync());
        int values = (MessageLimit.WeightBytes - 512) / sizeof(float) / 3 * 3;
        var weights = new ModelWeights([new TensorShape("w", [values])], new float[values]);
        running.Outgoing.Post(new GlobalModel(1, weights));
        await peer.LineAsync("global_model 1: ", Token);
        Assert.Equal($"update of 1, round 1, 10 samples, {values} values", await running.Federation.NextAsync());
        Assert.InRange(running.Traffic.Counts.BytesIn, MessageLimit.Bytes - 1024, MessageLimit.Bytes);
    }

    [Fact]
    public async Task Whatever_a_peer_writes_is_reported_or_dropped_and_counted_and_harms_no_other_client()
    {
        await using var running = await StartAsync();
        await using var good = new DdsClientLink(ClientId.Parse("1"), _settings, running.Loggers);
        await good.ConnectAsync(Token);
        await good.SendAsync(new ClientRegistration(ClientId.Parse("1")), Token);
        Assert.Equal("registered 1", await running.Federation.NextAsync());

        await IsRefusedAsync("../../etc", "register", "{}", "refused unknown: client_id must be");
        await IsRefusedAsync("1", "register", """{"client_id":1}""",
            "refused unknown: another client writes under this id");
        await IsRefusedAsync("1", "update", "rubbish", "refused unknown: another client writes under this id");
        await IsRefusedAsync("2", "register", "rubbish", "refused 2: the message is not JSON");
        await IsRefusedAsync("3", "register", """{"client_id":1}""", "refused 3: client_id is 1, but");
        await IsRefusedAsync("4", "nonsense", """{"client_id":4}""", "refused 4: type must be");

        // A foreign type is not even read: what comes behind it is the next that is heard.
        await using (var other = _peers.Start(_settings.Domain, "other", "5"))
        {
            await other.LineAsync("registered", Token);
            await IsRefusedAsync("6", "metrics", "{}", "refused 6: client_id is missing");
        }
        running.Outgoing.Post(new StartTraining(7));
        Assert.Equal(new StartTraining(7), await good.Received.ReadAsync(Token));

        async Task IsRefusedAsync(string key, string type, string body, string what)
        {
            await using (_peers.Start(_settings.Domain, "send", key, type, body))
                Assert.StartsWith(what, await running.Federation.NextAsync(), StringComparison.Ordinal);
            if (key is not ("1" or "../../etc"))
                Assert.Equal($"left {key}: its writer is gone", await running.Federation.NextAsync());
        }
    }

    [Fact]
    public async Task One_that_takes_nothing_is_dropped_and_one_that_comes_back_under_its_id_is_taken_in()
    {
        var quick = _settings with { Stall = TimeSpan.FromSeconds(1) };
        await using var running =
            await Running<DdsProtocolHandler>.StartAsync(loggers => new DdsProtocolHandler(quick, loggers));
        await using var peer = _peers.Start(quick.Domain, "stall", "1");
        Assert.Equal("registered 1", await running.Federation.NextAsync());
        await using var good = new DdsClientLink(ClientId.Parse("2"), quick, running.Loggers);
        await good.ConnectAsync(Token);
        await good.SendAsync(new ClientRegistration(ClientId.Parse("2")), Token);
        Assert.Equal("registered 2", await running.Federation.NextAsync());

        // The same id, while the first is there: refused for now, and taken in when the first is killed.
        await using var heir = new DdsClientLink(ClientId.Parse("1"), quick, running.Loggers);
        await heir.ConnectAsync(Token);
        await heir.SendAsync(new ClientRegistration(ClientId.Parse("1")), Token);
        Assert.Equal("refused unknown: another client writes under this id", await running.Federation.NextAsync());
        peer.Kill();
        Assert.Equal("registered 1", await running.Federation.NextAsync());

        // One that takes no more than a sample: what waits for it does not hold up the other.
        await using var stalled = _peers.Start(quick.Domain, "stall", "3");
        Assert.Equal("registered 3", await running.Federation.NextAsync());
        var model = new ModelWeights([new TensorShape("w", [200_000])], new float[200_000]);
        for (int round = 1; round < 6; round++)
        {
            running.Outgoing.Post(new GlobalModel(round, model));
            Assert.Equal(round, Assert.IsType<GlobalModel>(await good.Received.ReadAsync(Token)).Round);
        }
        Assert.StartsWith("left 3: it took nothing for 1 s", await running.Federation.NextAsync(),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_server_a_client_is_told_so()
    {
        await using var link = new DdsClientLink(
            ClientId.Parse("1"), _settings with { ConnectTimeout = TimeSpan.FromSeconds(0.5) },
                new Microsoft.Extensions.Logging.LoggerFactory());
        var error = await Assert.ThrowsAsync<LinkException>(() => link.ConnectAsync(Token));
        Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"there is no server in domain {_settings.Domain}"),
            error.Message);
    }

    private IClientLink Link(ClientId client, Microsoft.Extensions.Logging.ILoggerFactory loggers)
        => new DdsClientLink(client, _settings, loggers);

    private Task<Running<DdsProtocolHandler>> StartAsync()
        => Running<DdsProtocolHandler>.StartAsync(loggers => new DdsProtocolHandler(_settings, loggers));
}
