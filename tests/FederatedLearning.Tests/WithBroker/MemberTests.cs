using FederatedLearning.Amqp;
using FederatedLearning.Encoding;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Status;
using FederatedLearning.Tests.Support;

namespace FederatedLearning.Tests.WithBroker;

public sealed class MemberTests(Node node)
{
    [Fact]
    public async Task Both_kinds_of_clients_train_together_and_every_update_counts_once()
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 5, minClients: 4);
        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1));
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        training.Join("3", ClientWay.Unified, new SteppingLearner(30, 7));
        training.Join("four", ClientWay.Broadcast, new SteppingLearner(40, 11));
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round =>
            Assert.Equal((4, 100, 4, 0), (round.Updates, round.Samples, round.Evaluations, round.Missed)));
        Assert.Contains("[AMQP] Sent global_model to client 2 (queue: client_2_global_model)", training.Lines.All);
        Assert.Contains(
            "[AMQP] Sent start_evaluation to client 2 (queue: client_2_start_evaluation)", training.Lines.All);
        Assert.Contains("Client received global model for round 5", training.Lines.All);
        Assert.Contains("Client starting evaluation for round 5", training.Lines.All);
    }

    [Fact]
    public async Task A_late_joiner_gets_the_model_and_takes_part_in_the_next_round()
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 6, minClients: 2);
        var joined = new TaskCompletionSource();
        // Round 2 lasts until the new one is registered.
        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1)
        {
            InTheMiddle = (round, end) => round == 2 ? joined.Task.WaitAsync(end) : Task.CompletedTask
        });
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        await training.UntilAsync(now => now.Round == 2, "round 2 runs");
        training.Join("3", ClientWay.Unified, new SteppingLearner(30, 7));
        training.Join("4", ClientWay.Broadcast, new SteppingLearner(40, 11));
        await training.UntilAsync(now => now.Clients.Count == 4, "four clients are registered");
        joined.SetResult();

        var end = await training.CompleteAsync();
        Assert.Equal(2, end.Rounds[0].Updates);
        Assert.All(end.Rounds.Skip(2), round => Assert.Equal((4, 0), (round.Updates, round.Missed)));
    }

    [Fact]
    public async Task A_client_that_sends_rubbish_is_told_so_and_neither_stops_a_round_nor_gets_into_the_model()
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 6, minClients: 3);
        await training.ListensAsync();
        await using var peer = await Peer.ConnectAsync(place);
        var told = await peer.TakeBroadcastsAsync();
        await peer.SendAsync("fl_client_updates", "client.register", """{"client_id": "bad"}""");
        await training.UntilAsync(now => now.Clients.Count == 1, "the bad one is registered");

        var bad = ClientId.Parse("bad");
        // One kind of rubbish a round, sent while the good ones train; then a round of another round.
        async Task SendRubbishAsync(int round, CancellationToken cancellationToken)
        {
            byte[] body = round switch
            {
                1 => [0x80, 0x04, 0x95, 0xff, 0x00, 0x2e], // a pickle
                2 => Update(new ModelWeights([new TensorShape("w", [3])], [1, 2, 3])), // not the model's shape
                3 => Update(Values(float.NaN)),
                4 => Update(Values(float.PositiveInfinity)),
                5 => ClientJson.Write(new ClientUpdate(bad, round - 1, Values(1000), 1_000_000)), // of another round
                _ => ClientJson.Write(new ClientUpdate(bad, round + 1, Values(1000), 1_000_000)),
            };
            await peer.SendAsync("fl_client_updates", "client.update", body);
            if (round == 1) // nothing in it says whose it is
                await peer.SendAsync(
                    "fl_client_updates",
                    "client.update",
                    """{"client_id": "bad", "round": 1, "weights": "gASVAAAAAAAAAA==", "num_samples": 5}""");
            if (round >= 5) // what is stale does not free the round from waiting for this client
                await peer.SendAsync("fl_client_updates", "client.update", Update(Values(float.NaN)));
            byte[] Update(ModelWeights weights) => ClientJson.Write(new ClientUpdate(bad, round, weights, 1_000_000));
        }

        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1) { InTheMiddle = SendRubbishAsync });
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        // It evaluates nothing either: each round ends all the same, by metrics that are rubbish.
        var evaluations = RefuseEvaluationsAsync();

        var completion = training.CompleteAsync();
        // what goes wrong with one of them is told, not what the other then waits for in vain
        await await Task.WhenAny(completion, evaluations);
        var end = await completion;
        await evaluations;
        Assert.All(end.Rounds, round => Assert.Equal(2, round.Updates));
        Assert.True(end.Counts.Refused >= 14, $"{end.Counts}");
        Assert.True(end.Counts.Stale >= 1, $"{end.Counts}");

        async Task RefuseEvaluationsAsync()
        {
            var reasons = new List<string>();
            for (; ; )
            {
                var message = ServerJson.Read((await told.NextAsync()).Body.Span);
                switch (message)
                {
                    case StartEvaluation:
                        await peer.SendAsync(
                            "fl_client_updates",
                            "client.metrics",
                            """{"client_id": "bad", "round": 1, "num_samples": -5, "metrics": {}}""");
                        break;
                    case ErrorReport { Recipient: { } recipient } error:
                        Assert.Equal(bad, recipient);
                        reasons.Add(error.Reason);
                        break;
                    case TrainingComplete:
                        Assert.Contains(reasons, reason => reason.StartsWith("weights", StringComparison.Ordinal));
                        return;
                }
            }
        }

        static ModelWeights Values(float value) => new([new TensorShape("w", [8])], [.. Enumerable.Repeat(value, 8)]);
    }

    [Fact]
    public async Task Fifty_clients_train_at_once()
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 3, minClients: 50);
        for (int i = 0; i < 50; i++)
            training.Join($"{i}", i % 2 == 0 ? ClientWay.Broadcast : ClientWay.Unified, new SteppingLearner(10 + i, 1
                + i * 0.25f));
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((50, 50, 0), (round.Updates, round.Evaluations, round.Missed)));
        Assert.Equal(150, end.Counts.Updates);
    }

    [Fact]
    public async Task A_model_of_64_MB_is_trained_by_clients_of_both_kinds()
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 2, minClients: 2, values: 16 << 20);
        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1));
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((2, 2, 0), (round.Updates, round.Evaluations, round.Missed)));
    }
}
