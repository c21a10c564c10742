using System.Globalization;
using ChildPrograms;
using FederatedLearning.Client;
using FederatedLearning.Protocols.Tests.Support;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;
using FederatedLearning.Training.Models;

namespace FederatedLearning.Protocols.Tests;

/// <summary>Clients that are not ours, written to the README alone.</summary>
public sealed class PeerTests
{
    [Fact]
    public async Task Clients_in_Node_over_MQTT_and_over_gRPC_by_a_stream_and_by_polling_train_beside_one_of_ours()
    {
        string program = Path.Combine(Repository.NodeFolder("samples", "FederatedLearning", "NodeClient"), "client.js");
        var four = new LearningSettings
        {
            TrainSamples = 1200,
            TestSamples = 400,
            Shares = 4,
            Model = ModelFactory.Softmax
        };
        var (mqtt, grpc) = (Speaks.FreePort(), Speaks.FreePort());
        var config = four.ToModelConfig();
        await using var training = await Session.StartAsync(
            loggers => [Speaks.Mqtt.Handler(mqtt, loggers), Speaks.Grpc.Handler(grpc, loggers)],
            new FederationSettings { MaxRounds = 4, MinClients = 4, ConvergencePatience = 1000 }, config,
            ModelFactory.Create(config));
        string folder = Directory.CreateTempSubdirectory("fl-peers-").FullName;
        List<ChildProgram> peers = [];
        try
        {
            foreach (var (id, protocol, way) in new[] { (7, "mqtt", ""), (8, "grpc", "stream"), (9, "grpc", "poll") })
                peers.Add(Start(program, folder, id, protocol, way, LearningData.LoadShare(four, id - 7), mqtt, grpc));
            training.Join(
                "1", new Learner(LearningData.LoadShare(four, 3), 3), Speaks.Mqtt.Entry("1", mqtt, training.Loggers));
            var end = await training.CompleteAsync();
            foreach (var peer in peers)
            {
                Assert.Equal(0, await peer.EndAsync(TestContext.Current.CancellationToken));
                Assert.Contains("training_complete", peer.LastLines);
            }
            Assert.All(end.Rounds, round => Assert.Equal((4, 4, 0), (round.Updates, round.Evaluations, round.Missed)));
            Assert.Equal(0, end.Counts.Refused);
            Assert.True(end.Rounds[^1].Loss < end.Rounds[0].Loss && end.Rounds[^1].Accuracy > 0.6, $"{end.Rounds[^1]}");
        }
        finally
        {
            foreach (var peer in peers) await peer.DisposeAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static ChildProgram Start(
        string program, string folder, int id, string protocol, string way, LearningData share, int mqtt, int grpc)
    {
        string File(string name) => Path.Combine(folder, $"{id}-{name}");
        IdxWriter.Write(share.Train, File("images"), File("labels"));
        IdxWriter.Write(share.Test, File("test-images"), File("test-labels"));
        return ChildProgram.StartProgram(
            $"client {id}", "node",
            [
                program, "--id", id.ToString(CultureInfo.InvariantCulture), "--protocol", protocol, "--way", way,
                "--images", File("images"), "--labels", File("labels"), "--test-images", File("test-images"),
                "--test-labels", File("test-labels"),
            ],
            new Dictionary<string, string>
            {
                ["MQTT_PORT"] = mqtt.ToString(CultureInfo.InvariantCulture),
                ["GRPC_PORT"] = grpc.ToString(CultureInfo.InvariantCulture),
            },
            line => TestContext.Current.TestOutputHelper?.WriteLine($"{id}: {line}"));
    }
}
