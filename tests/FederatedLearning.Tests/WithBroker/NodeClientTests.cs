using ChildPrograms;
using FederatedLearning.Amqp;
using FederatedLearning.Client;
using FederatedLearning.Tests.Support;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;

namespace FederatedLearning.Tests.WithBroker;

public sealed class NodeClientTests(Node node)
{
    [Theory]
    [InlineData("broadcast")]
    [InlineData("unified")]
    public async Task A_client_in_Node_written_to_the_facts_of_the_protocol_alone_trains_beside_one_of_ours(string way)
    {
        string program = Path.Combine(Repository.NodeFolder("samples", "FederatedLearning", "NodeClient"), "client.js");
        await using var place = await node.NewPlaceAsync();
        var two = new LearningSettings { TrainSamples = 600, TestSamples = 200, Shares = 2 };
        var share = LearningData.LoadShare(two, 0);
        string files = Directory.CreateTempSubdirectory("fl-node-").FullName;
        string File(string name) => Path.Combine(files, name);
        IdxWriter.Write(share.Train, File("images"), File("labels"));
        IdxWriter.Write(share.Test, File("test-images"), File("test-labels"));

        await using var peer = ChildProgram.StartProgram("client in Node.js", "node",
            [program, "--id", "7", "--way", way, "--images", File("images"), "--labels", File("labels"),
                "--test-images", File("test-images"), "--test-labels", File("test-labels")],
            place.Environment, line => TestContext.Current.TestOutputHelper?.WriteLine(line));
        // It comes before the server: its registration waits in a queue that it has declared.
        await peer.LineAsync("Client 7 registered over amqp", TestContext.Current.CancellationToken);
        await using var training = await TrainingSession.StartAsync(
            place, rounds: 4, minClients: 2, values: 0, ("MODEL", "softmax"));
        training.Join("1", ClientWay.Unified, new Learner(LearningData.LoadShare(two, 1), 1));

        var end = await training.CompleteAsync();
        Assert.Equal(0, await peer.EndAsync(TestContext.Current.CancellationToken));
        Assert.Contains("training_complete", peer.LastLines);
        Assert.All(end.Rounds, round => Assert.Equal((2, 2, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(0, end.Counts.Refused);
        Assert.True(end.Rounds[^1].Loss < end.Rounds[0].Loss && end.Rounds[^1].Accuracy > 0.6, $"{end.Rounds[^1]}");
        Directory.Delete(files, recursive: true);
    }
}
