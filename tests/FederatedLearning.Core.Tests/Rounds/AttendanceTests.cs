using FederatedLearning.Protocol;
using FederatedLearning.Status;

namespace FederatedLearning.Tests.Rounds;

/// <summary>Clients that join late, answer late, leave, and come back.</summary>
public sealed class AttendanceTests
{
    [Fact]
    public void At_the_deadline_the_round_goes_on_without_stragglers_and_later_rounds_do_not_wait_for_them()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1, 4);
        world.Clock.Advance(world.Settings.RoundDeadline - TimeSpan.FromTicks(1));
        world.Run.Tick();
        Assert.Equal(FederationPhase.Training, world.Now.Phase);
        world.Clock.Advance(TimeSpan.FromTicks(1));
        world.Run.Tick();
        Assert.Equal(FederationPhase.Evaluating, world.Now.Phase);
        Assert.Equal([4, 4, 4], world.Run.Model.Values.ToArray());
        Assert.Equal(ClientState.Silent, world.Now.Clients[1].State);
        world.Evaluate(1, 1);
        Assert.Equal((1, 1), (world.Last.Missed, world.Last.Evaluations));
        world.PlayRound(0.5, 1);
        Assert.Equal(3, world.Now.Round);
    }

    [Fact]
    public void A_straggler_that_is_heard_of_again_is_waited_for_again()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1);
        world.PassDeadline();
        Assert.Equal(MessageVerdict.Stale, world.Update(2, 1));
        world.Evaluate(1, 1);
        Assert.Equal((2, 2), (world.Now.Round, world.Now.Awaited));
    }

    [Fact]
    public void An_evaluation_ends_at_its_deadline_even_when_no_client_answered()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1);
        world.Update(2, 1);
        world.PassDeadline();
        Assert.Equal(2, world.Now.Round);
        Assert.Equal(
            (null, null, 0, 2), (world.Last.Loss, world.Last.Accuracy, world.Last.Evaluations, world.Last.Missed));
    }

    [Fact]
    public void When_no_client_answers_all_are_asked_again_and_after_several_deadlines_the_training_is_given_up()
    {
        var world = new World(new FederationSettings { MinClients = 2, MaxEmptyDeadlines = 3 });
        world.JoinAll(1, 2);
        world.Take();
        world.PassDeadline();
        Assert.Equal(["training_config", "global_model 0 with config", "start_training 1"], world.Take());
        Assert.Equal(2, world.Now.Awaited);
        world.PassDeadline();
        world.PassDeadline();
        Assert.Equal(CompletionReason.Abandoned, world.Run.Completion);
        Assert.Equal("training_complete: no client answered", world.Take()[^1]);
    }

    [Fact]
    public void A_late_joiner_gets_the_current_model_joins_the_running_round_and_is_waited_for()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.PlayRound(1, 1, 2);
        world.Take();
        world.Join(3, handler: 1);
        Assert.All(world.Sent, sent => Assert.Equal(1, sent.Handler));
        Assert.Equal(["training_config → 3", "global_model 1 with config → 3", "start_training 2 → 3"], world.Take());
        world.Update(1, 2, 1);
        world.Update(2, 2, 1);
        Assert.Equal(FederationPhase.Training, world.Now.Phase);
        world.Update(3, 2, 4);
        Assert.Equal([2, 2, 2], world.Run.Model.Values.ToArray());
        Assert.Equal(["amqp", "amqp", "quic"], world.Now.Clients.Select(client => client.Protocol));
    }

    [Fact]
    public void A_client_that_joins_during_an_evaluation_gets_the_new_model_and_trains_from_the_next_round_on()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1);
        world.Update(2, 1);
        world.Take();
        world.Join(3);
        Assert.Equal(["training_config → 3", "global_model 1 with config → 3"], world.Take());
        world.Evaluate(1, 1);
        world.Evaluate(2, 1);
        Assert.Equal((2, 3), (world.Now.Round, world.Now.Awaited));
    }

    [Fact]
    public void A_client_that_leaves_is_not_waited_for_in_training_or_in_evaluation()
    {
        var world = new World();
        world.JoinAll(1, 2, 3);
        world.Update(1, 1);
        world.Update(2, 1);
        world.Run.Leave(0, Some.Id(3), "closed");
        Assert.Equal(FederationPhase.Evaluating, world.Now.Phase);
        world.Evaluate(1, 1);
        world.Run.Leave(0, Some.Id(2), "closed");
        Assert.Equal((2, FederationPhase.Training, 1), (world.Now.Round, world.Now.Phase, world.Now.Awaited));
        world.PlayRound(0.5, 1);
        Assert.Equal(3, world.Now.Round);
    }

    [Fact]
    public void A_client_that_leaves_after_its_update_and_comes_back_does_not_count_twice()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Update(1, 1, 2);
        world.Run.Leave(0, Some.Id(1), "restarted");
        world.Join(1);
        Assert.Equal(MessageVerdict.Duplicate, world.Update(1, 1, 50));
        world.Update(2, 1, 4);
        Assert.Equal([3, 3, 3], world.Run.Model.Values.ToArray());
    }

    [Fact]
    public void When_all_have_left_the_round_waits_and_the_next_client_takes_it_up()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Run.Leave(0, Some.Id(1), "closed");
        world.Run.Leave(0, Some.Id(2), "closed");
        Assert.Equal(FederationPhase.Training, world.Now.Phase);
        world.Join(3);
        world.PlayRound(1, 3);
        Assert.Equal(2, world.Now.Round);
    }

    [Fact]
    public void A_client_that_moves_to_another_protocol_is_answered_there_and_the_old_one_cannot_report_it_gone()
    {
        var world = new World();
        world.JoinAll(1, 2);
        world.Join(1, handler: 1);
        world.Run.Leave(0, Some.Id(1), "the old connection closed");
        Assert.Equal(2, world.Now.Clients.Count);
        world.Update(1, 1, float.NaN);
        Assert.Equal(1, world.Sent[^1].Handler);
    }

    [Fact]
    public void With_its_handler_its_clients_leave_and_the_others_go_on()
    {
        var world = new World();
        world.Join(1);
        world.Join(2, handler: 1);
        world.Join(3, handler: 1);
        world.Update(1, 1);
        world.Run.HandlerGone(1, "failed");
        Assert.Equal(FederationPhase.Evaluating, world.Now.Phase);
        Assert.Equal(["1"], world.Now.Clients.Select(client => client.Id));
    }

    [Fact]
    public void Beyond_MAX_CLIENTS_registrations_are_rejected_but_the_silent_make_room()
    {
        var world = new World(new FederationSettings { MinClients = 2, MaxClients = 2 });
        world.JoinAll(1, 2);
        world.Take();
        Assert.Equal(MessageVerdict.Refused, world.Join(3));
        Assert.Equal(["rejected → 3"], world.Take());
        Assert.Equal(MessageVerdict.Accepted, world.Join(2));
        world.Update(1, 1);
        world.PassDeadline();
        Assert.Equal(MessageVerdict.Accepted, world.Join(3));
        Assert.Equal(["1", "3"], world.Now.Clients.Select(client => client.Id));
        Assert.Equal(
            (1, 4, 1), (world.Now.Counts.Rejections, world.Now.Counts.Registrations, world.Now.Counts.Departures));
    }
}
