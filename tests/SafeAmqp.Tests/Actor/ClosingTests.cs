using SafeAmqp.Actor;
using SafeAmqp.Broker;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Actor;

public sealed class ClosingTests
{
    private readonly ActorBench _bench = new();

    [Fact]
    public void Closing_waits_for_what_was_sent_and_closes_with_its_answer()
    {
        _bench.Open();
        var job = _bench.Publish();
        var closed = _bench.Close(S(5));
        Assert.Equal(AmqpLinkState.Closing, _bench.Actor.State);
        Assert.Equal("pending", closed.Ended());

        _bench.Acked(1);
        Assert.Equal(("done", "done"), (job.Ended(), closed.Ended()));
        Assert.Equal((1, true), _bench.Link.Abandoned.Single());
    }

    [Fact]
    public void Closing_ends_at_its_deadline_although_earlier_deadlines_were_looked_at_in_between()
    {
        _bench.Open();
        var expiring = _bench.Publish(timeout: Ms(200));
        var unanswered = _bench.Publish(timeout: S(60));
        var closed = _bench.Close(S(5));

        _bench.Wait(Ms(4900));
        Assert.Equal(("Unknown", "pending", "pending"), (expiring.Ended(), unanswered.Ended(), closed.Ended()));
        _bench.Wait(Ms(150));
        Assert.Equal(("Unknown", "done"), (unanswered.Ended(), closed.Ended()));
    }

    [Fact]
    public void A_declaration_of_several_entities_ends_when_the_link_closes_under_the_first()
    {
        _bench.Open();
        var job = _bench.Declare(S(60), "a", "b", "c");
        var closed = _bench.Close(TimeSpan.Zero);
        Assert.Equal("done", closed.Ended());
        Assert.Equal("AmqpTopologyException", job.Completion.Ended());
        Assert.Single(_bench.Link.Admin.Asked);
    }

    [Fact]
    public void What_waits_to_be_sent_goes_out_while_the_link_closes_and_what_comes_then_is_refused()
    {
        _bench.Open();
        _bench.Link.NextPass = PassResult.PassedBusy;
        var first = _bench.Publish();
        var second = _bench.Publish();
        var closed = _bench.Close(S(5));
        var late = _bench.Publish();
        _bench.Link.NextPass = PassResult.Passed;
        _bench.Post(new BrokerSignal.Readied(_bench.Link.Lane.Incarnation));
        _bench.Acked(2, multiple: true);
        Assert.Equal(
            ("done", "done", "ObjectDisposedException", "done"),
            (first.Ended(), second.Ended(), late.Ended(), closed.Ended()));
        Assert.Equal((0L, 0L), (_bench.Credit.Messages, _bench.Credit.Bytes));
    }

    [Fact]
    public void A_link_that_is_lost_while_closing_is_closed_and_not_recovered()
    {
        _bench.Open();
        var job = _bench.Publish();
        var closed = _bench.Close(S(5));
        _bench.LoseLink();
        Assert.Equal(("Unknown", "done"), (job.Ended(), closed.Ended()));
        _bench.Wait(S(60));
        Assert.Single(_bench.Link.Connects);
    }

    [Fact]
    public void Every_closer_is_answered_and_the_earliest_deadline_counts()
    {
        _bench.Open();
        _bench.Publish(timeout: S(60));
        var first = _bench.Close(S(20));
        var second = _bench.Close(S(2));
        _bench.Wait(Ms(2050));
        Assert.Equal(("done", "done"), (first.Ended(), second.Ended()));
        Assert.Equal("done", _bench.Close(S(1)).Ended());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_without_a_connection_closes_at_once(bool started)
    {
        if (started)
            _bench.Post(new ActorCommand.Start());
        var job = _bench.Publish();
        var closed = _bench.Close(S(5));
        Assert.Equal(("NotSent", "done"), (job.Ended(), closed.Ended()));
        Assert.Equal(AmqpLinkState.Closed, _bench.Actor.State);
    }

    [Fact]
    public void A_bug_ends_everything_and_later_commands_say_so()
    {
        _bench.Open();
        var passed = _bench.Publish();
        var call = _bench.Call(AmqpReplyAddress.Exclusive);
        var declare = _bench.Declare(S(60), "a", "b");
        var consumer = _bench.Subscribe();
        var waiter = new Completion<bool>();
        _bench.Actor.Crash(new InvalidOperationException("oops"));
        Assert.Equal(("Unknown", "NotSent", "AmqpTopologyException", "ObjectDisposedException"),
            (passed.Ended(), call.Ended(), declare.Completion.Ended(), consumer.Started.Ended()));
        _bench.Post(new ActorCommand.WaitOpen(FailFast: false, waiter));
        Assert.Contains("oops", waiter.Error().Message, StringComparison.Ordinal);
        Assert.Equal((0L, 0L), (_bench.Credit.Messages, _bench.Places.Messages));
    }

    [Fact]
    public void Nothing_is_asked_of_the_broker_once_the_link_is_closed()
    {
        _bench.Open();
        _bench.Call(AmqpReplyAddress.Exclusive);
        FakeLink.Channel replies = _bench.Link.Replies;
        _bench.Opened(replies);
        _bench.Answered(replies, "amq.gen-1");
        _bench.Started(replies);
        _bench.Close(TimeSpan.Zero);
        int channels = _bench.Link.Channels.Count;

        _bench.Delivered(replies, 1);
        _bench.Closed(replies, ByBroker(320, "late"));
        _bench.Wait(S(60));
        Assert.Empty(replies.Settled);
        Assert.Equal(channels, _bench.Link.Channels.Count);
    }
}
