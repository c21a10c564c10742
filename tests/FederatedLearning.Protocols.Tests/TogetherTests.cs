using FederatedLearning.Amqp;
using FederatedLearning.Grpc;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Protocols.Tests.Support;
using Microsoft.Extensions.Logging;
using MQTTnet.Server;
using SafeAmqp.Testing;

namespace FederatedLearning.Protocols.Tests;

/// <summary>Several protocols in one training.</summary>
public sealed class TogetherTests : IAsyncLifetime
{
    private readonly int _mqttPort = Speaks.FreePort();
    private readonly int _grpcPort = Speaks.FreePort();
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
    public async Task Clients_of_every_kind_train_together_and_every_update_counts_once()
    {
        await using var training = await StartAsync(rounds: 4, minClients: 8);
        for (int i = 0; i < 8; i++) training.Join($"{i}", new SteppingLearner(10 + i, 1 + i), Kind(i, training));
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((8, 8, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(
            [("amqp", 4), ("mqtt", 2), ("grpc", 2)], end.Handlers.Select(handler => (handler.Name, handler.Clients)));
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
    }

    [Fact]
    public async Task A_client_that_changes_its_protocol_every_round_misses_none()
    {
        string[] order = ["amqp", "mqtt", "grpc"];
        await using var training = await StartAsync(rounds: 7, minClients: 2);
        training.Join(
            "1", new SteppingLearner(10, 1), 1, Kind(0, training, "1"), Kind(2, training, "1"), Kind(3, training, "1"));
        // Each round lasts until the first client has come to its protocol.
        training.Join("2", new SteppingLearner(20, 2)
        {
            InTheMiddle = (round, _) => training.UntilAsync(
                now => now.Clients.Any(client => client.Id == "1" && client.Protocol == order[(round - 1) % 3]),
                $"it has changed in round {round}"),
        }, Kind(3, training, "2"));
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

    [Fact]
    public async Task An_MQTT_broker_of_its_own_may_be_away_for_a_round_and_the_server_may_be_another_behind_it()
    {
        int port = Speaks.FreePort();
        var settings = new MqttSettings { Host = "127.0.0.1", Port = port, SendTimeout = TimeSpan.FromSeconds(60) };
        var broker = await StartBrokerAsync(port);
        await using var relay = new Relay(port);
        await using var training = await Session.StartAsync(
            loggers => [new MqttProtocolHandler(settings with { Port = relay.Port }, loggers)], rounds: 5,
            minClients: 2);
        var restarted = new TaskCompletionSource();
        bool wasAway = false, isRestarting = false;
        async Task DisturbAsync(int round, CancellationToken cancellationToken)
        {
            if (round == 2 && !wasAway)
            {
                wasAway = true;
                await broker.StopAsync();
                broker.Dispose();
                broker = await StartBrokerAsync(port);
            }
            if (round != 3 || isRestarting) return;
            isRestarting = true;
            relay.Shut(); // it is killed, and says nothing any more
            await training.StopServerAsync();
            await training.StartServerAsync();
            relay.Open(port);
            restarted.SetResult();
        }

        training.Join("1", new SteppingLearner(10, 1) { InTheMiddle = DisturbAsync }, Entry("1"));
        training.Join("2", new SteppingLearner(20, 2), Entry("2"));
        await restarted.Task.WaitAsync(TimeSpan.FromSeconds(90), TestContext.Current.CancellationToken);
        var end = await training.CompleteAsync();
        Assert.Equal(5, end.Rounds.Count);
        Assert.All(end.Rounds, round => Assert.Equal(0, round.Missed));
        await broker.StopAsync();
        broker.Dispose();

        ProtocolEntry<IClientLink> Entry(string id)
            => new("mqtt", () => new MqttClientLink(ClientId.Parse(id), settings, training.Loggers));
    }

    private Task<Session> StartAsync(int rounds, int minClients) => Session.StartAsync(
        loggers =>
        [
            new AmqpProtocolHandler(_amqp, loggers),
            Speaks.Mqtt.Handler(_mqttPort, loggers),
            Speaks.Grpc.Handler(_grpcPort, loggers),
        ],
        rounds,
        minClients);

    // AMQP by broadcast, AMQP by queues of its own, MQTT, gRPC, and again.
    private ProtocolEntry<IClientLink> Kind(int number, Session training, string? of = null)
    {
        string id = of ?? number.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return (number % 4) switch
        {
            0 => Amqp(ClientWay.Broadcast),
            1 => Amqp(ClientWay.Unified),
            2 => Speaks.Mqtt.Entry(id, _mqttPort, training.Loggers),
            _ => Speaks.Grpc.Entry(id, _grpcPort, training.Loggers),
        };

        ProtocolEntry<IClientLink> Amqp(ClientWay way)
            => new("amqp", () => new AmqpClientLink(ClientId.Parse(id), way, _amqp, training.Loggers));
    }

    private static async Task<MqttServer> StartBrokerAsync(int port)
    {
        var factory = new MqttServerFactory();
        var broker = factory.CreateMqttServer(factory.CreateServerOptionsBuilder()
            .WithDefaultEndpoint()
            .WithDefaultEndpointBoundIPAddress(System.Net.IPAddress.Loopback)
            .WithDefaultEndpointBoundIPV6Address(System.Net.IPAddress.None)
            .WithDefaultEndpointPort(port)
            .WithDefaultEndpointReuseAddress()
            .WithPersistentSessions(true)
            .Build());
        await broker.StartAsync();
        return broker;
    }
}
