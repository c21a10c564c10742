using System.Globalization;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using ChildPrograms;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using LocalBroker;
using Microsoft.Extensions.Logging;
using SafeAmqp.Testing;

namespace FederatedLearning.Tests;

/// <summary>The server as a process of its own.</summary>
public sealed class ServerProcessTests : IDisposable
{
    private static readonly LearningSettings Learning = new() { TrainSamples = 300, TestSamples = 60, Shares = 2 };

    // One that no other test uses, of this suite or another (see DdsTests).
    private static readonly string Domain = (201 + Environment.ProcessId % 29).ToString(CultureInfo.InvariantCulture);

    private readonly string _folder = Directory.CreateTempSubdirectory("fl-server-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_that_is_killed_in_mid_round_and_started_again_has_its_clients_of_every_protocol_back()
    {
        await using var broker = await AmqpTestBroker.StartAsync(cancellationToken: Token);
        var settings = Settings("amqp,mqtt,grpc,quic,dds");
        settings["AMQP_HOST"] = broker.Uri.Host;
        settings["AMQP_PORT"] = broker.Uri.Port.ToString(CultureInfo.InvariantCulture);
        settings["MIN_CLIENTS"] = "6";
        using var loggers = new LoggerFactory();
        string[] protocols = ["amqp", "mqtt", "grpc", "quic", "dds", "amqp"];
        var clients = protocols.Select((protocol, i) => Join(
            ClientId.Parse(i.ToString(CultureInfo.InvariantCulture)), protocol, i % Learning.Shares,
            new Dictionary<string, string>(settings) { ["CLIENT_WAY"] = i == 0 ? "broadcast" : "unified" },
            loggers)).ToArray();
        await using (var first = Start(settings))
        {
            await first.LineAsync("Round 2 starts", Token);
            first.Kill();
        }
        await using var second = Start(settings);
        Assert.Equal(0, await second.EndAsync(Token).WaitAsync(TimeSpan.FromSeconds(90), Token));
        foreach (var (connection, run) in clients)
        {
            Assert.IsType<TrainingComplete>(await run.WaitAsync(TimeSpan.FromSeconds(30), Token));
            await connection.DisposeAsync();
        }
        // It has waited for all of them, and every round was that of all.
        var results = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(_folder, "results.json"), Token))!;
        Assert.All(results["rounds"]!.AsArray(), round => Assert.Equal(6, round!["updates"]!.GetValue<int>()));
        Assert.Equal(
            protocols.Order(),
            results["clients"]!.AsArray().Select(client => client!["protocol"]!.GetValue<string>()).Order());
    }

    [Fact]
    public async Task The_comparison_measures_every_protocol_and_draws_what_it_has_measured()
    {
        var settings = new Dictionary<string, string>
        {
            ["SAFEAMQP_TEST_BROKER"] = "embedded",
            ["DOTNET_TieredPGO"] = "0",
        };
        await using var comparison = ChildProgram.Start("comparison", "FederatedLearning.Comparison",
            ["HIDDEN_UNITS=200", "NUM_ROUNDS=2", "MIN_CLIENTS=2", $"DDS_DOMAIN={Domain}", $"FOLDER={_folder}"],
            settings,
            line => TestContext.Current.TestOutputHelper?.WriteLine(line));
        Assert.Equal(0, await comparison.EndAsync(Token));
        var rows = comparison.LastLines.Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(cells => cells.Length == 5).ToDictionary(cells => cells[0], cells => cells[1..]);
        var plot = XDocument.Load(Path.Combine(_folder, "comparison.svg"));
        foreach (string protocol in new[] { "amqp", "mqtt", "grpc", "quic", "dds" })
        {
            double[] values = [.. rows[protocol].Select(cell => double.Parse(cell, CultureInfo.InvariantCulture))];
            Assert.All(values, value => Assert.True(value > 0, $"{protocol}: {string.Join(", ", values)}"));
            // A model of 159,010 values, as base64, up and down, for two clients.
            Assert.InRange(values[1], 2 * 0.848, 6 * 0.848);
            Assert.Equal(4, plot.Descendants().Count(element => element.Value == protocol && !element.HasElements));
        }
    }

    [Fact]
    public async Task A_client_in_Node_on_another_QUIC_trains_along_and_another_ALPN_is_refused()
    {
        string program = Path.Combine(
            Repository.NodeFolder("tests", "FederatedLearning.Native.Tests", "Peers", "quic"), "client.js");
        var share = LearningData.LoadShare(Learning, 0);
        string images = Path.Combine(_folder, "images"), labels = Path.Combine(_folder, "labels");
        IdxWriter.Write(share.Train, images, labels);
        var settings = Settings("quic");
        await using var server = Start(settings);
        await server.LineAsync("[QUIC] Server listens on", Token);

        await using (var other = StartPeer("h3"))
            Assert.NotEqual(0, await other.EndAsync(Token));
        await using var peer = StartPeer("fl");
        await peer.LineAsync("Client 7 registered", Token);
        using var loggers = new LoggerFactory();
        var (connection, run) = Join(ClientId.Parse("1"), "quic", 1, settings, loggers);
        Assert.Equal(0, await server.EndAsync(Token));
        Assert.Equal(0, await peer.EndAsync(Token));
        Assert.Contains("training_complete", peer.LastLines);
        Assert.IsType<TrainingComplete>(await run.WaitAsync(TimeSpan.FromSeconds(30), Token));
        await connection.DisposeAsync();

        ChildProgram StartPeer(string alpn) => ChildProgram.StartProgram(
            "client in Node.js", "node", [program, settings["QUIC_PORT"], alpn, "7", images, labels],
                new Dictionary<string, string>(),
            line => TestContext.Current.TestOutputHelper?.WriteLine(line));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static ChildProgram Start(Dictionary<string, string> settings) => ChildProgram.Start(
        "server", "FederatedLearning.Server", [], settings,
            line => TestContext.Current.TestOutputHelper?.WriteLine(line));

    private static (ClientConnection Connection, Task<OutgoingMessage> Run) Join(
        ClientId id, string protocol, int share, Dictionary<string, string> settings, LoggerFactory loggers)
    {
        var entry = ClientProtocols.All(id, name => settings.GetValueOrDefault(name), loggers)
            .Single(entry => entry.Name == protocol);
        var log = loggers.CreateLogger("client");
        // No long silence is needed to notice that the server is another.
        var options = new ClientConnectionOptions { Silence = TimeSpan.FromHours(1) };
        var connection = new ClientConnection(id, [entry], options, TimeProvider.System, log);
        var client = new FederatedClient(id, connection, new Learner(LearningData.LoadShare(Learning, share), share),
            log);
        return (connection, client.RunAsync(CancellationToken.None));
    }

    // Free ports and the domain.
    private Dictionary<string, string> Settings(string protocols)
    {
        string[] ports = [.. FreePorts.Take(3).Select(port => port.ToString(CultureInfo.InvariantCulture))];
        return new Dictionary<string, string>
        {
            ["PROTOCOLS"] = protocols,
            ["MQTT_PORT"] = ports[0],
            ["GRPC_PORT"] = ports[1],
            ["QUIC_PORT"] = ports[2],
            ["QUIC_HOST"] = "127.0.0.1",
            ["QUIC_IDLE_SECONDS"] = "3",
            ["QUIC_KEEPALIVE_SECONDS"] = "1",
            ["DDS_DOMAIN"] = Domain,
            ["DDS_LEASE_SECONDS"] = "2",
            ["MIN_CLIENTS"] = "2",
            ["NUM_ROUNDS"] = "4",
            ["CONVERGENCE_PATIENCE"] = "1000",
            ["MODEL"] = "softmax",
            ["EXIT_WHEN_COMPLETE"] = "true",
            ["RESULTS_FOLDER"] = _folder,
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
        };
    }
}
