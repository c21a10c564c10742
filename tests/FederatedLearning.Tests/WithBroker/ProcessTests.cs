using System.Globalization;
using ChildPrograms;
using FederatedLearning.Amqp;
using FederatedLearning.Client;
using FederatedLearning.Tests.Support;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;

namespace FederatedLearning.Tests.WithBroker;

public sealed class ProcessTests(Node node)
{
    // Of the demonstration: one that no other suite has, as several may run at once.
    private static readonly string Domain =
        string.Create(CultureInfo.InvariantCulture, $"DDS_DOMAIN={100 + Environment.ProcessId % 10}");

    [Theory]
    [InlineData("broadcast")]
    [InlineData("unified")]
    public async Task A_client_whose_process_is_killed_in_mid_round_costs_its_update_and_no_more_than_the_deadline(
        string way)
    {
        await using var place = await node.NewPlaceAsync();
        // So little data that those two are done long before the deadline, however busy the machine is.
        var learning = new LearningSettings { TrainSamples = 30, TestSamples = 6, Shares = 3 };
        await using var training = await TrainingSession.StartAsync(place, rounds: 4, minClients: 3, values: 0,
            ("ROUND_DEADLINE_SECONDS", "6"), ("EVALUATION_DEADLINE_SECONDS", "6"), ("LOCAL_EPOCHS", "20"));
        // So much data, twenty times over, that it is still at its first round when it is killed, however late that is.
        var settings = new Dictionary<string, string>(place.Environment)
        {
            ["CLIENT_ID"] = "9",
            ["CLIENT_WAY"] = way,
            ["DATA_SHARES"] = "1",
            ["DATA_SHARE"] = "0",
            ["TRAIN_SAMPLES"] = "5000",
            ["TEST_SAMPLES"] = "10",
        };
        await using var victim = ChildProgram.Start("client 9", "FederatedLearning.Client", [], settings);
        training.Join("1", ClientWay.Broadcast, new Learner(LearningData.LoadShare(learning, 0), 0));
        training.Join("2", ClientWay.Unified, new Learner(LearningData.LoadShare(learning, 1), 1));
        await victim.LineAsync("Client starting training for round 1", TestContext.Current.CancellationToken);
        victim.Kill();

        var end = await training.CompleteAsync();
        Assert.Equal((2, 1), (end.Rounds[0].Updates, end.Rounds[0].Missed));
        Assert.All(end.Rounds.Skip(1), round => Assert.Equal((2, 0), (round.Updates, round.Missed)));
        Assert.Equal(0, end.Counts.Duplicates);
    }

    [Fact]
    public async Task The_demonstration_trains_to_more_than_95_percent_and_says_so_by_its_exit_code()
    {
        var environment = new Dictionary<string, string> { ["SAFEAMQP_TEST_URI"] = node.Rabbit.Uri.ToString() };
        await using var demo = ChildProgram.Start("demonstration", "FederatedLearning.Demo", [Domain], environment);
        int code = await demo.EndAsync(TestContext.Current.CancellationToken);
        string said = string.Join('\n', demo.LastLines);
        TestContext.Current.TestOutputHelper?.WriteLine(said);
        Assert.True(code == 0, said);
        Assert.EndsWith("OK: training_complete.", said, StringComparison.Ordinal);
        Assert.Contains("Round 1 complete: loss ", said, StringComparison.Ordinal); // its progress
        Assert.Matches("amqp, mqtt, grpc(, quic)?(, dds)?: each took part in every round", said);
        foreach (int client in new[] { 1, 2, 3, 4 })
            Assert.Contains($"Client {client}: training_complete", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_demonstration_that_misses_its_goal_does_not_exit_with_0()
    {
        var environment = new Dictionary<string, string> { ["SAFEAMQP_TEST_URI"] = node.Rabbit.Uri.ToString() };
        await using var demo = ChildProgram.Start("demonstration", "FederatedLearning.Demo",
            ["NUM_ROUNDS=1", "TRAIN_SAMPLES=100", "TEST_SAMPLES=50", Domain], environment);
        Assert.Equal(1, await demo.EndAsync(TestContext.Current.CancellationToken));
        Assert.Equal("FAILED", demo.LastLines[^1]);
    }
}
