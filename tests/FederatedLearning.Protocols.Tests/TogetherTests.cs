using FederatedLearning.Amqp;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Protocols.Tests.Support;
using Microsoft.Extensions.Logging;
using SafeAmqp.Testing;

namespace FederatedLearning.Protocols.Tests;

/// <summary>Looks at the threads of the whole process: no other test's come and go meanwhile.</summary>
[CollectionDefinition(nameof(AllThreads), DisableParallelization = true)]
public sealed class AllThreads;

/// <summary>Several protocols in one training.</summary>
[Collection(nameof(AllThreads))]
public sealed class TogetherTests : IAsyncLifetime
{
    private readonly int _mqttPort = Speaks.FreePort();
    private readonly int _grpcPort = Speaks.FreePort();
    private readonly int _quicPort = Speaks.FreePort();
    private readonly int _ddsPort = Speaks.FreePort();
    private AmqpTestBroker _broker = null!;
    private AmqpSettings _amqp = null!;

    public async ValueTask InitializeAsync()
    {
        _broker = await AmqpTestBroker.StartAsync(cancellationToken: TestContext.Current.CancellationToken);
        _amqp = new AmqpSettings { Host = _broker.Uri.Host, Port = _broker.Uri.Port };
    }

    public ValueTask DisposeAsync() => _broker.DisposeAsync();

    /// <summary>How many clients train at once; eng/nightly has more.</summary>
    private static int Clients
        => int.TryParse(Environment.GetEnvironmentVariable("FEDERATED_CLIENTS"), out int clients) ? clients : 50;

    [Fact]
    public async Task Ten_clients_two_of_each_protocol_train_together_and_every_update_counts_once()
    {
        await using var training = await StartAsync(rounds: 4, minClients: 10);
        for (int i = 0; i < 10; i++) training.Join($"{i}", new SteppingLearner(10 + i, 1 + i), Kind(i, training));
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((10, 10, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(
            [("amqp", 2), ("mqtt", 2), ("grpc", 2), ("quic", 2), ("dds", 2)],
            end.Handlers.Select(handler => (handler.Name, handler.Clients)));
        Assert.All(
            training.Now.Handlers,
            handler => Assert.True(handler.Traffic is { BytesIn: > 0, BytesOut: > 0 }, $"{handler}"));
    }

    [Fact]
    public async Task Fifty_clients_of_mixed_kinds_train_at_once()
    {
        await using var training = await StartAsync(rounds: 2, Clients);
        for (int i = 0; i < Clients; i++)
            training.Join($"{i}", new SteppingLearner(10 + i, 1 + i * 0.25f), Kind(i, training));
        var end = await training.CompleteAsync();
        Assert.All(
            end.Rounds, round => Assert.Equal((Clients, Clients, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(5, end.Handlers.Count(handler => handler.Clients >= Clients / 5));
    }

    [Fact]
    public async Task Every_thread_of_every_protocol_ends_with_the_server_and_its_clients_within_their_time()
    {
        await using (await StartAsync(rounds: 1, minClients: 1))
        {
            // What is made once and stays, as the clock's threads and those of libraries, is there after this.
        }
        // The system lists a thread for a moment after its end.
        await Until.TrueAsync(() => !Threads.Names.Any(IsOfProtocol), "the threads of the first server have ended");
        var before = Threads.Names;
        await using (var training = await StartAsync(rounds: 2, minClients: 5))
        {
            for (int i = 0; i < 5; i++) training.Join($"{i}", new SteppingLearner(10, 1), Kind(i, training));
            await training.UntilAsync(now => now.Round >= 1, "all five train");
            Assert.Superset(
                new HashSet<string> { "fl-dds-client", "fl-dds-server", "fl-quic-client", "fl-quic-server" },
                Threads.Names.ToHashSet());
            Assert.Contains(Threads.Names, name => name.StartsWith("safeamqp-io", StringComparison.Ordinal));
            await training.CompleteAsync();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await training.Server.StopAsync(patience.Token);
            Assert.False(patience.IsCancellationRequested);
        }
        await Until.TrueAsync(
            () => Task.FromResult(Threads.Names.SequenceEqual(before)), "the threads are those from before");

        static bool IsOfProtocol(string name) => name.StartsWith("fl-", StringComparison.Ordinal)
            || name.StartsWith("safeamqp-io", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_changes_its_protocol_every_round_misses_none()
    {
        string[] order = ["amqp", "mqtt", "grpc", "quic", "dds"];
        await using var training = await StartAsync(rounds: 7, minClients: 2);
        training.Join(
            "1", new SteppingLearner(10, 1), 1, [.. Enumerable.Range(0, 5).Select(kind => Kind(kind, training, "1"))]);
        // Each round lasts until the first client has come to its protocol.
        training.Join("2", new SteppingLearner(20, 2)
        {
            InTheMiddle = (round, _) => training.UntilAsync(
                now => now.Clients.Any(client => client.Id == "1" && client.Protocol == order[(round - 1) % 5]),
                $"it has changed in round {round}"),
        }, Kind(2, training, "2"));
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((2, 2, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(0, end.Counts.Departures);
    }

    [Fact]
    public async Task A_client_comes_back_over_the_next_protocol_of_its_list_when_the_first_is_gone()
    {
        await using var training = await StartAsync(rounds: 4, minClients: 2);
        await using var relay = new Relay(_mqttPort);
        var back = new TaskCompletionSource();
        training.Join("1", new SteppingLearner(10, 1)
        {
            InTheMiddle = (round, _) =>
            {
                if (round == 2) relay.Shut();
                return Task.CompletedTask;
            },
        }, Speaks.Mqtt.Entry("1", relay.Port, training.Loggers), Speaks.Grpc.Entry("1", _grpcPort, training.Loggers));
        training.Join(
            "2", new SteppingLearner(20, 2)
            {
                InTheMiddle = (round, end) => round == 2 ? back.Task.WaitAsync(end) : Task.CompletedTask
            },
            Speaks.Grpc.Entry("2", _grpcPort, training.Loggers));
        await training.UntilAsync(
            now => now.Clients.Any(client => client is { Id: "1", Protocol: "grpc" }), "it is back over gRPC");
        back.SetResult();
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((2, 0), (round.Updates, round.Missed)));
    }

    private Task<Session> StartAsync(int rounds, int minClients)
    {
        Speaks.NeedAll();
        return Session.StartAsync(
            loggers =>
            [
                new AmqpProtocolHandler(_amqp, loggers),
                Speaks.Mqtt.Handler(_mqttPort, loggers),
                Speaks.Grpc.Handler(_grpcPort, loggers),
                Speaks.Quic.Handler(_quicPort, loggers),
                Speaks.Dds.Handler(_ddsPort, loggers),
            ],
            rounds,
            minClients);
    }

    // AMQP by broadcast, MQTT, gRPC, QUIC, DDS, and again, with AMQP by queues of its own.
    private ProtocolEntry<IClientLink> Kind(int number, Session training, string? of = null)
    {
        string id = of ?? number.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return (number % 5) switch
        {
            0 => Amqp(number % 2 == 0 ? ClientWay.Broadcast : ClientWay.Unified),
            1 => Speaks.Mqtt.Entry(id, _mqttPort, training.Loggers),
            2 => Speaks.Grpc.Entry(id, _grpcPort, training.Loggers),
            3 => Speaks.Quic.Entry(id, _quicPort, training.Loggers),
            _ => Speaks.Dds.Entry(id, _ddsPort, training.Loggers),
        };

        ProtocolEntry<IClientLink> Amqp(ClientWay way)
            => new("amqp", () => new AmqpClientLink(ClientId.Parse(id), way, _amqp, training.Loggers));
    }
}
