using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Topology;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Actor;

/// <summary>
/// A broker that sends heartbeats and does not read any more, as RabbitMQ was seen to after the leader of a quorum
/// queue was killed.
/// </summary>
public sealed class DeafnessTests
{
    private static readonly LinkTraffic Alive = new(TimeSpan.FromHours(1).Ticks, null);

    private readonly ActorBench _bench = new();

    [Fact]
    public void A_channel_on_which_the_broker_answers_nothing_is_asked_and_replaced_when_the_question_goes_unheard()
    {
        _bench.Open();
        _bench.Link.LastTraffic = Alive;
        FakeLink.Channel deaf = _bench.Link.Lane;
        var lost = _bench.Publish();
        _bench.Wait(Ms(4_900));
        Assert.Empty(deaf.Asked);
        _bench.Wait(Ms(200));
        Assert.IsType<AdminRequest.Probe>(Assert.Single(deaf.Asked));
        _bench.Wait(Ms(7_800));
        Assert.False(deaf.IsClosed);
        _bench.Wait(Ms(200));
        Assert.True(deaf.IsClosed);
        Assert.Equal("Unknown", lost.Ended());
        _bench.Opened(_bench.Link.Lane);
        var next = _bench.Publish();
        _bench.Acked(1);
        Assert.Equal(("done", 1), (next.Ended(), _bench.Actor.Epoch));
    }

    [Fact]
    public void A_queue_that_answers_nothing_costs_a_question_now_and_then_and_its_publishes_keep_their_time()
    {
        _bench.Open();
        _bench.Link.LastTraffic = Alive;
        FakeLink.Channel lane = _bench.Link.Lane;
        var first = _bench.Publish();
        var second = _bench.Publish(timeout: S(60));
        for (int i = 1; i <= 6; i++)
        {
            _bench.Wait(Ms(5_100));
            Assert.Equal(i, lane.Asked.Count);
            _bench.Answered(lane);
        }
        Assert.Equal("Unknown", first.Ended());
        _bench.Acked(2);
        Assert.Equal("done", second.Ended());
        Assert.False(lane.IsClosed);
    }

    [Fact]
    public void An_answer_to_any_publish_is_an_answer_and_the_broker_is_not_asked()
    {
        _bench.Open();
        _bench.Link.LastTraffic = Alive;
        for (ulong i = 1; i < 20; i++)
        {
            _bench.Publish();
            _bench.Wait(S(3));
            _bench.Acked(i);
            _bench.Publish(timeout: S(100)); // there is always one that waits
            i++;
        }
        Assert.Empty(_bench.Link.Lane.Asked);
    }

    [Fact]
    public void A_broker_that_blocks_reads_nothing_for_a_reason()
    {
        _bench.Open();
        _bench.Link.LastTraffic = Alive;
        FakeLink.Channel lane = _bench.Link.Lane;
        var job = _bench.Publish(timeout: S(300));
        _bench.Post(new BrokerSignal.Blocked(1, "low on memory"));
        _bench.Wait(S(100));
        _bench.Post(new BrokerSignal.Unblocked(1));
        _bench.Wait(Ms(4_900));
        Assert.Empty(lane.Asked);
        _bench.Acked(1);
        Assert.Equal(("done", false), (job.Ended(), lane.IsClosed));
    }

    [Fact]
    public void A_broker_that_opens_no_channel_and_answers_nothing_else_loses_the_link()
    {
        _bench.Connect();
        _bench.Link.LastTraffic = Alive;
        _bench.Wait(Ms(7_900));
        Assert.Equal((AmqpLinkState.Preparing, 1), (_bench.Actor.State, _bench.Actor.Epoch));
        _bench.Wait(Ms(200));
        Assert.Equal((1, false), Assert.Single(_bench.Link.Abandoned));
        _bench.Wait(S(1));
        _bench.Connected();
        _bench.Opened(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Lane);
        Assert.Equal((AmqpLinkState.Open, 2), (_bench.Actor.State, _bench.Actor.Epoch));
    }

    [Fact]
    public void A_broker_that_blocks_may_let_channels_wait()
    {
        _bench.Connect();
        _bench.Link.LastTraffic = Alive;
        _bench.Post(new BrokerSignal.Blocked(1, "low on memory"));
        _bench.Wait(S(25));
        _bench.Post(new BrokerSignal.Unblocked(1));
        _bench.Wait(S(4));
        Assert.Empty(_bench.Link.Abandoned);
    }

    [Fact]
    public void A_broker_that_stands_still_is_left_to_the_watchdog()
    {
        _bench.Connect();
        _bench.Link.LastTraffic = new LinkTraffic(1, null);
        _bench.Wait(S(44));
        Assert.Empty(_bench.Link.Abandoned);
        // it goes on: its heartbeat comes before its answers
        _bench.Link.LastTraffic = new LinkTraffic(_bench.Now, null);
        _bench.Wait(S(2));
        Assert.Empty(_bench.Link.Abandoned);
    }

    [Fact]
    public void A_question_that_may_not_have_left_yet_and_an_answer_that_was_not_read_yet_prove_nothing()
    {
        var question = new Probe();
        question.Ask(0);
        for (int second = 1; second < 100; second++)
        {
            long now = S(second).Ticks;
            Assert.False(question.IsUnheard(
                now, new LinkTraffic(now, now, HasUnread: second % 2 == 0, HasUnsent: second % 2 != 0), out _));
        }
        long since = S(99).Ticks;
        Assert.False(question.IsUnheard(since + S(7.9).Ticks, Alive, out long next));
        Assert.True(question.IsUnheard(next, Alive, out _));
    }
}
