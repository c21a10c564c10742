using SafeAmqp.Actor;
using SafeAmqp.Tests.Actor;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Publishing;

/// <summary>What was in flight when the broker ended the link over something goes again one at a time.</summary>
public sealed class SuspectTests
{
    private readonly ActorBench _bench = new(new ActorSettings { Name = "bench", Republish = true });

    [Theory]
    [InlineData(501)]
    [InlineData(502)]
    [InlineData(505)]
    [InlineData(541)]
    public void The_one_during_which_alone_the_link_ends_again_is_refused_and_the_others_are_confirmed(int code)
    {
        _bench.Open();
        var first = _bench.Publish();
        var guilty = _bench.Publish();
        var last = _bench.Publish();
        EndLink(code);
        var newer = _bench.Publish();
        Assert.Single(_bench.Link.Lane.Published);
        _bench.Acked(1);
        Assert.Equal(2, _bench.Link.Lane.Published.Count);
        EndLink(code);
        Assert.Equal(("done", "Refused"), (first.Ended(), guilty.Ended()));
        Assert.Single(_bench.Link.Lane.Published); // the last is a suspect still
        _bench.Acked(1);
        _bench.Acked(2);
        Assert.Equal(("done", "done"), (last.Ended(), newer.Ended()));
    }

    [Fact]
    public void Cuts_that_have_nothing_to_do_with_it_neither_make_a_suspect_nor_blame_one()
    {
        _bench.Open();
        var one = _bench.Publish();
        var other = _bench.Publish();
        EndLink(320);
        Assert.Equal(2, _bench.Link.Lane.Published.Count);
        EndLink(541);
        for (int i = 0; i < 5; i++)
        {
            Assert.Single(_bench.Link.Lane.Published);
            EndLink(i % 2 == 0 ? 320 : 0);
        }
        _bench.Acked(1);
        _bench.Acked(2);
        Assert.Equal(("done", "done"), (one.Ended(), other.Ended()));
    }

    [Fact]
    public void A_channel_that_is_closed_without_a_name_makes_suspects_too()
    {
        _bench.Open();
        var one = _bench.Publish();
        var guilty = _bench.Publish();
        var end = ByBroker(406, "PRECONDITION_FAILED - invalid expiration 'soon'");
        _bench.Closed(_bench.Link.Lane, end);
        _bench.Opened(_bench.Link.Lane);
        _bench.Acked(1);
        _bench.Closed(_bench.Link.Lane, end);
        Assert.Equal(("done", "Refused"), (one.Ended(), guilty.Ended()));
    }

    [Fact]
    public void Without_republishing_all_are_unknown_at_once()
    {
        var bench = new ActorBench();
        bench.Open();
        var one = bench.Publish();
        bench.Post(new BrokerSignal.LinkLost(bench.Actor.Epoch, ByBroker(501, "FRAME_ERROR")));
        Assert.Equal("Unknown", one.Ended());
    }

    [Fact]
    public void The_waits_between_links_grow_until_one_was_open_for_longer_than_the_wait_before_it()
    {
        _bench.Random = 1;
        _bench.Open();
        foreach (double wait in (double[])[100, 200, 400, 800])
        {
            EndLinkAndWait(wait);
            _bench.Connected();
            _bench.Opened(_bench.Link.Admin);
            _bench.Opened(_bench.Link.Lane);
        }
        _bench.Wait(Ms(801));
        EndLinkAndWait(100);
    }

    private void EndLinkAndWait(double wait)
    {
        int connects = _bench.Link.Connects.Count;
        _bench.Post(new BrokerSignal.LinkLost(_bench.Actor.Epoch, ByBroker(501, "FRAME_ERROR")));
        _bench.Wait(Ms(wait - 1));
        Assert.Equal(connects, _bench.Link.Connects.Count);
        _bench.Wait(Ms(1));
        Assert.Equal(connects + 1, _bench.Link.Connects.Count);
    }

    private void EndLink(int code)
    {
        _bench.Post(new BrokerSignal.LinkLost(_bench.Actor.Epoch, new CloseReason(code, "ended", ByBroker: code != 0)));
        _bench.Wait(S(3));
        _bench.Connected();
        _bench.Opened(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Lane);
    }
}
