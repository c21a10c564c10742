using System.Globalization;
using System.Net;
using System.Net.Sockets;
using ChildPrograms;
using FederatedLearning.Client;
using FederatedLearning.Dds;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Quic;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Tests;

/// <summary>The server as a process of its own.</summary>
public sealed class ServerProcessTests : IDisposable
{
    private static readonly LearningSettings Learning = new() { TrainSamples = 300, TestSamples = 60, Shares = 2 };
    private readonly string _folder = Directory.CreateTempSubdirectory("fl-server-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("quic")]
    [InlineData("dds")]
    public async Task A_server_that_is_killed_in_mid_round_and_started_again_has_its_clients_back(string protocol)
    {
        var settings = Settings(protocol);
        using var loggers = new LoggerFactory();
        var clients = new[] { "1", "2" }.Select(
            (id, share) => Join(ClientId.Parse(id), share, settings, loggers)).ToArray();
        await using (var first = Start(settings))
        {
            await first.LineAsync("Round 2 starts", Token);
            first.Kill();
        }
        await using var second = Start(settings);
        Assert.Equal(0, await second.EndAsync(Token));
        foreach (var (connection, run) in clients)
        {
            Assert.IsType<TrainingComplete>(await run.WaitAsync(TimeSpan.FromSeconds(30), Token));
            await connection.DisposeAsync();
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
        var (connection, run) = Join(ClientId.Parse("1"), 1, settings, loggers);
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
        ClientId id, int share, Dictionary<string, string> settings, LoggerFactory loggers)
    {
        Func<string, string?> setting = name => settings.GetValueOrDefault(name);
        var entry = new ProtocolEntry<IClientLink>("link", () => settings["PROTOCOLS"] == "dds"
            ? new DdsClientLink(id, DdsSettings.From(setting), loggers)
            : new QuicClientLink(id, QuicSettings.From(setting), loggers));
        var log = loggers.CreateLogger("client");
        var connection = new ClientConnection(id, [entry], new ClientConnectionOptions(), TimeProvider.System, log);
        var client = new FederatedClient(id, connection, new Learner(LearningData.LoadShare(Learning, share), share),
            log);
        return (connection, client.RunAsync(CancellationToken.None));
    }

    // A free port, and a domain that no other test uses.
    private Dictionary<string, string> Settings(string protocol)
    {
        using var probe = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        return new Dictionary<string, string>
        {
            ["PROTOCOLS"] = protocol,
            ["QUIC_PORT"] = ((IPEndPoint)probe.Client.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture),
            ["QUIC_HOST"] = "127.0.0.1",
            ["QUIC_IDLE_SECONDS"] = "3",
            ["QUIC_KEEPALIVE_SECONDS"] = "1",
            ["DDS_DOMAIN"] = (201 + Environment.ProcessId % 29).ToString(CultureInfo.InvariantCulture),
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
