using FederatedLearning.Amqp;
using FederatedLearning.Tests.Support;

namespace FederatedLearning.Tests.WithBroker;

public sealed class ConnectionFaultTests(Node node)
{
    [Theory]
    [InlineData("send", "receive")]
    [InlineData("receive", "send")]
    public async Task A_connection_of_the_server_killed_in_three_rounds_costs_nothing_and_the_other_never_notices(
        string killed, string other)
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 6, minClients: 3);
        // In the middle of a round, while both kinds of clients train.
        async Task KillAsync(int round, CancellationToken cancellationToken)
        {
            if (round is 2 or 3 or 5)
                await place.KillConnectionAsync($"fl-server:{killed}");
        }

        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1) { InTheMiddle = KillAsync });
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        training.Join("3", ClientWay.Broadcast, new SteppingLearner(30, 7));

        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((3, 0), (round.Updates, round.Missed)));
        Assert.True(training.Amqp.Links.Single(link => link.Name == killed).Epoch >= 4);
        Assert.Equal(1, training.Amqp.Links.Single(link => link.Name == other).Epoch);
    }

    [Theory]
    [InlineData("send")]
    [InlineData("receive")]
    public async Task A_connection_of_a_client_killed_in_mid_round_costs_nothing(string killed)
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 4, minClients: 2);
        foreach (var (id, way, samples, step) in new[]
        {
            ("1", ClientWay.Broadcast, 10, 1f),
            ("2", ClientWay.Unified, 20, 2.5f)
        })
        {
            training.Join(id, way, new SteppingLearner(samples, step)
            {
                InTheMiddle = (round, _) =>
                    round is 1 or 3 ? place.KillConnectionAsync($"fl-client-{id}:{killed}") : Task.CompletedTask,
            });
        }

        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((2, 0), (round.Updates, round.Missed)));
    }

    [Fact]
    public async Task A_broker_that_crashes_in_mid_round_and_comes_back_costs_nothing()
    {
        await using var place = await node.NewPlaceAsync();
        await using var training = await TrainingSession.StartAsync(place, rounds: 4, minClients: 3);
        bool isRestarted = false;
        async Task RestartAsync(int round, CancellationToken cancellationToken)
        {
            if (round != 2 || isRestarted)
                return;
            isRestarted = true;
            await place.Rabbit.KillAsync(CancellationToken.None);
            await place.Rabbit.StartAgainAsync(CancellationToken.None);
        }

        training.Join("1", ClientWay.Broadcast, new SteppingLearner(10, 1) { InTheMiddle = RestartAsync });
        training.Join("2", ClientWay.Unified, new SteppingLearner(20, 2.5f));
        training.Join("3", ClientWay.Broadcast, new SteppingLearner(30, 7));

        var end = await training.CompleteAsync();
        Assert.All(end.Rounds, round => Assert.Equal((3, 0), (round.Updates, round.Missed)));
        Assert.All(training.Amqp.Links, link => Assert.True(link.Epoch >= 2));
    }
}
