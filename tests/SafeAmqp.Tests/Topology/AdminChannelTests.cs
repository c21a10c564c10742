using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Tests.Actor;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Topology;

public sealed class AdminChannelTests
{
    private readonly ActorBench _bench = new();

    [Fact]
    public void Entities_are_declared_one_at_a_time_and_remembered_only_after_success()
    {
        _bench.Open();
        var job = _bench.Declare(S(5), "a", "b");
        Assert.Equal(["queue 'a'"], Keys());
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal(["queue 'a'", "queue 'b'"], Keys());
        _bench.Closed(_bench.Link.Admin, ByBroker(406, "PRECONDITION_FAILED"));
        var error = Assert.IsType<AmqpTopologyException>(job.Completion.Error());
        Assert.Equal(("queue 'b'", 406), (error.Entity, error.ReplyCode));
        Assert.Equal("queue 'a'", Assert.Single(_bench.Topology.ForLink(ownsExclusive: true)).Key);
    }

    [Fact]
    public void An_entity_that_is_refused_does_not_block_those_behind_it()
    {
        _bench.Open();
        var refused = _bench.Declare(S(5), "a", "b");
        var other = _bench.Declare(S(5), "c");
        _bench.Closed(_bench.Link.Admin, ByBroker(406, "PRECONDITION_FAILED"));
        _bench.Opened(_bench.Link.Admin);
        _bench.Answered(_bench.Link.Admin);
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal(("AmqpTopologyException", "done"), (refused.Completion.Ended(), other.Completion.Ended()));
    }

    [Fact]
    public void A_declaration_that_waits_for_the_link_ends_at_its_deadline()
    {
        var job = _bench.Declare(S(2), "a", "b");
        _bench.Wait(Ms(1900));
        Assert.Equal("pending", job.Completion.Ended());
        _bench.Wait(Ms(150));
        Assert.IsType<TimeoutException>(job.Completion.Error().InnerException);
    }

    [Fact]
    public void A_declaration_that_the_broker_is_asked_for_ends_at_its_deadline_too()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        _bench.Declare(S(60), "slow");
        _bench.Wait(S(25));
        _bench.Answered(_bench.Link.Admin);
        _bench.Declare(S(60), "slow too");
        var job = _bench.Declare(S(2), "a", "b");
        _bench.Wait(S(1));
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal("queue 'a'", _bench.Link.Admin.Asked[^1].Key);
        _bench.Wait(Ms(1050));
        Assert.IsType<TimeoutException>(job.Completion.Error().InnerException);

        var next = _bench.Declare(S(5), "c"); // the late answer belongs to no job, and not to this one
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal("pending", next.Completion.Ended());
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal("done", next.Completion.Ended());
        Assert.DoesNotContain(_bench.Topology.ForLink(true), item => item.Key is "queue 'a'" or "queue 'b'");
    }

    [Fact]
    public void A_declaration_in_flight_goes_again_on_the_next_link()
    {
        _bench.Open();
        var job = _bench.Declare(S(30), "a");
        _bench.Reopen();
        Assert.Equal("queue 'a'", Assert.Single(_bench.Link.Admin.Asked).Key);
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal("done", job.Completion.Ended());
    }

    [Fact]
    public void A_broker_that_does_not_answer_costs_the_channel_and_not_the_declarations_that_wait()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        var first = _bench.Declare(S(60), "a");
        var second = _bench.Declare(S(60), "b");
        FakeLink.Channel silent = _bench.Link.Admin;
        _bench.Wait(Ms(30_050));
        Assert.True(silent.IsClosed);
        Assert.Equal("AmqpTopologyException", first.Completion.Ended());
        _bench.Opened(_bench.Link.Admin);
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal("done", second.Completion.Ended());
    }

    private IEnumerable<string> Keys() => _bench.Link.Admin.Asked.Select(item => item.Key);
}
