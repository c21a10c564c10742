using FederatedLearning.Protocol;
using FederatedLearning.Status;

namespace FederatedLearning.Tests.Rounds;

public sealed class TrainingRunTests
{
    [Fact]
    public void A_training_starts_with_MIN_CLIENTS_and_goes_through_its_rounds_to_the_end()
    {
        var world = new World(new FederationSettings { MinClients = 2, MaxRounds = 2 });
        world.Join(1);
        Assert.Empty(world.Take());
        Assert.Equal(FederationPhase.WaitingForClients, world.Now.Phase);
        world.Join(2);
        Assert.Equal(["training_config", "global_model 0 with config", "start_training 1"], world.Take());
        world.Update(1, 1);
        Assert.Empty(world.Take());
        world.Update(2, 1);
        Assert.Equal(["global_model 1", "start_evaluation 1"], world.Take());
        world.Evaluate(1, 1);
        Assert.Empty(world.Take());
        world.Evaluate(2, 1);
        Assert.Equal(["start_training 2"], world.Take());
        world.PlayRound(0.5, 2, 1);
        Assert.Equal(["global_model 2", "start_evaluation 2", "training_complete: round limit"], world.Take());
        Assert.Equal(CompletionReason.RoundLimit, world.Run.Completion);
        Assert.Null(world.Run.UntilDeadline);
    }

    [Fact]
    public void The_model_is_the_mean_weighted_by_samples_and_so_are_loss_and_accuracy()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1, 1, 30);
        world.Update(2, 1, 5, 10);
        Assert.Equal([2, 2, 2], world.Run.Model.Values.ToArray());
        world.Evaluate(1, 1, loss: 1, accuracy: 0.9, samples: 10);
        world.Evaluate(2, 1, loss: 2, accuracy: 0.1, samples: 30);
        Assert.Equal((1.75, 0.3), (Math.Round(world.Last.Loss!.Value, 12), Math.Round(world.Last.Accuracy!.Value, 12)));
        Assert.Equal(
            (2, 40, 2, 0), (world.Last.Updates, world.Last.Samples, world.Last.Evaluations, world.Last.Missed));
    }

    [Fact]
    public void A_duplicate_is_ignored_and_counted_whenever_it_comes()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1, 1);
        Assert.Equal(MessageVerdict.Duplicate, world.Update(1, 1, 100));
        world.Update(2, 1, 3);
        Assert.Equal(MessageVerdict.Duplicate, world.Update(1, 1, 100));
        Assert.Equal([2, 2, 2], world.Run.Model.Values.ToArray());
        world.Evaluate(1, 1);
        Assert.Equal(MessageVerdict.Duplicate, world.Evaluate(1, 1));
        Assert.Equal((3, 2, 1), (world.Now.Counts.Duplicates, world.Now.Counts.Updates, world.Now.Counts.Metrics));
    }

    [Fact]
    public void What_belongs_to_an_older_round_is_ignored_and_counted_as_stale()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.PlayRound(1, 1, 2);
        world.Take();
        Assert.Equal(MessageVerdict.Stale, world.Update(1, 1));
        Assert.Equal(MessageVerdict.Stale, world.Evaluate(1, 1));
        Assert.Equal(MessageVerdict.Stale, world.Evaluate(1, 2));
        Assert.Equal(3, world.Now.Counts.Stale);
        Assert.Equal(2, world.Now.Awaited);
        Assert.Empty(world.Take());
    }

    [Fact]
    public void A_round_that_does_not_exist_yet_is_refused_with_the_reason_and_the_present_one_waits_for_the_client()
    {
        // The client comes from a server that was killed in a later round: its answer to that one was under way.
        var world = new World();
        world.JoinAll(1, 2);
        world.Take();
        world.Update(2, 1);
        Assert.Equal(MessageVerdict.Refused, world.Update(1, 2));
        Assert.Equal(MessageVerdict.Refused, world.Evaluate(1, 2));
        Assert.Equal(["error → 1", "error → 1"], world.Take());
        Assert.Equal((FederationPhase.Training, 1), (world.Now.Phase, world.Now.Awaited));
        world.Update(1, 1);
        Assert.Equal(FederationPhase.Evaluating, world.Now.Phase);
        world.Evaluate(2, 1);
        Assert.Equal(MessageVerdict.Refused, world.Evaluate(1, 2));
        Assert.Equal((FederationPhase.Evaluating, 1), (world.Now.Phase, world.Now.Awaited));
        world.Evaluate(1, 1);
        Assert.Equal((2, 2), (world.Last.Updates, world.Last.Evaluations));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(-1e30f)]
    public void Values_that_cannot_be_averaged_are_refused_with_the_reason_and_the_round_goes_on(float value)
    {
        var world = new World();
        world.JoinAll(1, 2, 3);
        world.Update(1, 1, 2);
        Assert.Equal(MessageVerdict.Refused, world.Update(2, 1, value));
        Assert.Contains(
            "value 0 of w",
            Assert.IsType<FederatedLearning.Messages.ErrorReport>(world.Sent[^1].Message).Reason,
            StringComparison.Ordinal);
        world.Update(3, 1, 4);
        Assert.Equal([3, 3, 3], world.Run.Model.Values.ToArray());
        Assert.Equal(FederationPhase.Evaluating, world.Now.Phase);
    }

    [Fact]
    public void An_update_of_another_shape_or_without_samples_is_refused_with_the_reason()
    {
        var world = new World();
        world.JoinAll(1, 2);
        var other = new FederatedLearning.Model.ModelWeights([new("w", [3])], [1, 2, 3]);
        Assert.Equal(MessageVerdict.Refused, world.Update(Some.Update(1, 1) with { Weights = other }));
        Assert.Contains(
            "w[3]",
            Assert.IsType<FederatedLearning.Messages.ErrorReport>(world.Sent[^1].Message).Reason,
            StringComparison.Ordinal);
        Assert.Equal(MessageVerdict.Refused, world.Update(1, 1, samples: 0));
        Assert.Equal(MessageVerdict.Refused, world.Update(1, 1, samples: int.MaxValue));
        Assert.Equal(MessageVerdict.Accepted, world.Update(1, 1));
        Assert.Equal(FederationPhase.Training, world.Now.Phase);
    }

    [Fact]
    public void Metrics_that_are_no_numbers_are_refused()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1);
        world.Update(2, 1);
        Assert.Equal(MessageVerdict.Refused, world.Evaluate(1, 1, loss: double.NaN));
        Assert.Equal(MessageVerdict.Refused, world.Evaluate(1, 1, accuracy: 1.5));
        world.Evaluate(2, 1, 0.5);
        Assert.Equal(0.5, world.Last.Loss);
    }

    [Fact]
    public void What_could_not_be_read_is_told_to_the_client_and_the_round_no_longer_waits_for_it()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(2, 1);
        world.Take();
        world.Run.Unreadable(0, Some.Id(1), "weights: this is a Python pickle");
        Assert.Equal(["error → 1", "global_model 1", "start_evaluation 1"], world.Take());
        world.Run.Unreadable(0, null, "unreadable");
        Assert.Equal(2, world.Now.Counts.Refused);
    }

    [Fact]
    public void A_client_that_has_not_registered_is_refused_and_told_so()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Take();
        Assert.Equal(MessageVerdict.Refused, world.Update(9, 1));
        Assert.Equal(MessageVerdict.Refused, world.Evaluate(9, 1));
        Assert.Equal(["error → 9", "error → 9"], world.Take());
    }

    [Fact]
    public void The_end_comes_when_the_loss_does_not_improve_after_the_least_number_of_rounds()
    {
        var world = new World(new FederationSettings
        {
            MinClients = 1,
            MaxRounds = 50,
            MinRounds = 3,
            ConvergencePatience = 2,
            ConvergenceThreshold = 0.01
        });
        world.Join(1);
        foreach (double loss in new[] { 1, 1, 1, 0.5, 0.495, 0.3, 0.299 }) world.PlayRound(loss, 1);
        Assert.Null(world.Run.Completion);
        world.PlayRound(0.31, 1);
        Assert.Equal((CompletionReason.Converged, 8), (world.Run.Completion, world.Last.Round));
    }

    [Fact]
    public void The_end_comes_when_all_clients_say_that_they_have_converged()
    {
        var world = new World(new FederationSettings { MinClients = 2, MaxRounds = 50 });
        world.JoinAll(1, 2);
        world.Update(1, 1);
        world.Update(2, 1);
        world.Evaluate(1, 1, converged: true);
        world.Evaluate(2, 1);
        Assert.Null(world.Run.Completion);
        world.Update(1, 2);
        world.Update(2, 2);
        world.Evaluate(1, 2, converged: true);
        world.Evaluate(2, 2, converged: true);
        Assert.Equal(CompletionReason.ClientsConverged, world.Run.Completion);
    }

    [Fact]
    public void Registering_after_the_end_brings_the_result_and_nothing_else_is_asked()
    {
        var world = new World(new FederationSettings { MinClients = 1, MaxRounds = 1 });
        world.Join(1);
        world.PlayRound(1, 1);
        world.Take();
        Assert.Equal(MessageVerdict.Accepted, world.Join(2));
        Assert.Equal(["global_model 1 with config → 2", "training_complete: round limit → 2"], world.Take());
        Assert.Equal(MessageVerdict.Stale, world.Update(1, 1));
    }

    [Fact]
    public void Clients_that_leave_after_the_end_stay_in_its_result()
    {
        var world = new World(new FederationSettings { MinClients = 2, MaxRounds = 1 });
        world.JoinAll(1, 2);
        world.PlayRound(1, 1, 2);
        world.Run.Leave(0, Some.Id(1), "the stream has ended");
        world.Run.HandlerGone(0, "stopped");
        Assert.Equal((2, 0L), (world.Now.Clients.Count, world.Now.Counts.Departures));
    }

    [Fact]
    public void Stopping_ends_a_training_that_runs_and_leaves_one_that_has_ended()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Run.Stop();
        Assert.Equal(CompletionReason.Stopped, world.Run.Completion);
        Assert.Equal("training_complete: stopped", world.Take()[^1]);
        world.Run.Stop();
        Assert.Empty(world.Take());
    }
}
