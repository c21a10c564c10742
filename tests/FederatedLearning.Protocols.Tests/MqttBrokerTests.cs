using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ChildPrograms;
using FederatedLearning.Messages;
using FederatedLearning.Mqtt;
using FederatedLearning.Protocol;
using FederatedLearning.Protocols.Tests.Support;
using MQTTnet.Server;

namespace FederatedLearning.Protocols.Tests;

/// <summary>MQTT over a broker that is not the server's own.</summary>
public sealed class MqttBrokerTests
{
    [Theory]
    [InlineData("MQTTnet")]
    [InlineData("mosquitto")]
    public async Task A_broker_may_be_away_for_a_round_and_the_server_may_be_another_behind_it(string name)
    {
        int port = Speaks.FreePort();
        var settings = new MqttSettings { Host = "127.0.0.1", Port = port, SendTimeout = TimeSpan.FromSeconds(60) };
        await using IBroker broker = name == "mosquitto" ? new Mosquitto(port) : new Embedded(port);
        await broker.StartAsync();
        await using var relay = new Relay(port);
        await using var training = await Session.StartAsync(
            loggers => [new MqttProtocolHandler(settings with { Port = relay.Port }, loggers)], rounds: 5,
            minClients: 2);
        var restarted = new TaskCompletionSource();
        bool wasAway = false, isRestarting = false;
        int missed = -1;
        async Task DisturbAsync(int round, CancellationToken cancellationToken)
        {
            if (round == 2 && !wasAway)
            {
                wasAway = true;
                await broker.StopAsync();
                await broker.StartAsync();
            }
            if (round != 3 || isRestarting) return;
            isRestarting = true;
            missed = training.Now.Rounds.Sum(one => one.Missed);
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
        Assert.Equal(0, missed);
        Assert.Equal(5, end.Rounds.Count);
        Assert.All(end.Rounds, round => Assert.Equal(0, round.Missed));

        ProtocolEntry<IClientLink> Entry(string id)
            => new("mqtt", () => new MqttClientLink(ClientId.Parse(id), settings, training.Loggers));
    }

    private interface IBroker : IAsyncDisposable
    {
        Task StartAsync();

        Task StopAsync();
    }

    private sealed class Embedded(int port) : IBroker
    {
        private MqttServer _server = null!;

        public async Task StartAsync()
        {
            var factory = new MqttServerFactory();
            _server = factory.CreateMqttServer(factory.CreateServerOptionsBuilder()
                .WithDefaultEndpoint()
                .WithDefaultEndpointBoundIPAddress(IPAddress.Loopback)
                .WithDefaultEndpointBoundIPV6Address(IPAddress.None)
                .WithDefaultEndpointPort(port)
                .WithDefaultEndpointReuseAddress()
                .WithPersistentSessions(true)
                .Build());
            await _server.StartAsync();
        }

        public async Task StopAsync()
        {
            await _server.StopAsync();
            _server.Dispose();
        }

        public async ValueTask DisposeAsync() => await StopAsync();
    }

    // As its README has it for one listener, with what it knows kept on disk. It is killed, not asked to end.
    private sealed class Mosquitto : IBroker
    {
        private static readonly string? Program =
            new[] { "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto" }.FirstOrDefault(File.Exists);

        private readonly string _folder = Directory.CreateTempSubdirectory("fl-mosquitto-").FullName;
        private readonly int _port;
        private ChildProgram? _broker;

        public Mosquitto(int port)
        {
            Repository.Need(Program is not null, "mosquitto is not installed: apt-get install mosquitto");
            _port = port;
            File.WriteAllText(Path.Combine(_folder, "mosquitto.conf"), string.Create(
                CultureInfo.InvariantCulture,
                $"""
                listener {port} 127.0.0.1
                allow_anonymous true
                user root
                persistence true
                persistence_location {_folder}/
                autosave_interval 1
                autosave_on_changes true
                max_queued_bytes 0
                log_dest stderr

                """));
        }

        public async Task StartAsync()
        {
            _broker = ChildProgram.StartProgram(
                "mosquitto", Program!, ["-c", Path.Combine(_folder, "mosquitto.conf")],
                new Dictionary<string, string>(),
                line => TestContext.Current.TestOutputHelper?.WriteLine($"mosquitto: {line}"));
            await _broker.LineAsync("running", TestContext.Current.CancellationToken);
        }

        public async Task StopAsync()
        {
            _broker!.Kill();
            await _broker.EndAsync(TestContext.Current.CancellationToken);
            await _broker.DisposeAsync();
        }

        public async ValueTask DisposeAsync()
        {
            if (_broker is not null) await _broker.DisposeAsync();
            Directory.Delete(_folder, recursive: true);
        }
    }
}
