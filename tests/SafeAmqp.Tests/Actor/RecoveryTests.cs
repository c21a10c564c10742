using SafeAmqp.Actor;
using SafeAmqp.Broker;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Actor;

public sealed class RecoveryTests
{
    private readonly ActorBench _bench = new();

    [Fact]
    public void Being_blocked_ends_with_the_link_even_when_the_news_comes_after_the_loss()
    {
        _bench.Open();
        int epoch = _bench.Actor.Epoch;
        _bench.LoseLink();
        _bench.Post(new BrokerSignal.Blocked(epoch, "low on memory"));
        Assert.Null(_bench.Actor.BlockedReason);
        _bench.Wait(S(5));
        _bench.Connected();
        _bench.Opened(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Lane);

        _bench.Publish();
        Assert.Single(_bench.Link.Lane.Published);
    }

    [Fact]
    public void A_broker_that_blocks_before_the_link_is_open_holds_publishing_back()
    {
        _bench.Post(new ActorCommand.Start());
        _bench.Post(new BrokerSignal.Blocked(1, "low on disk"));
        _bench.Connected();
        _bench.Opened(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Lane);
        var job = _bench.Publish(timeout: S(2));
        Assert.Empty(_bench.Link.Lane.Published);
        _bench.Wait(Ms(2050));
        Assert.Equal("NotSent", job.Ended());

        _bench.Publish();
        _bench.Post(new BrokerSignal.Unblocked(1));
        Assert.Single(_bench.Link.Lane.Published);
    }

    [Fact]
    public void A_link_is_open_only_when_its_topology_and_every_consumer_stand()
    {
        _bench.Open();
        var declare = _bench.Declare(S(5), "work");
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal("done", declare.Completion.Ended());
        _bench.SubscribeLive();
        _bench.Reopen();
        Assert.Equal(AmqpLinkState.Preparing, _bench.Actor.State);
        Assert.Single(_bench.Link.Admin.Asked); // again
        Assert.Single(_bench.Link.Channels, channel => channel.Prefetch == 100); // the queue must be back first
        _bench.Answered(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Consumer);
        Assert.Equal(AmqpLinkState.Preparing, _bench.Actor.State);
        _bench.Started(_bench.Link.Consumer);
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
    }

    [Fact]
    public void An_entity_that_is_refused_on_a_new_link_blocks_neither_the_others_nor_the_link()
    {
        _bench.Open();
        _bench.Declare(S(5), "a", "b");
        _bench.Answered(_bench.Link.Admin);
        _bench.Answered(_bench.Link.Admin);
        _bench.Reopen();
        _bench.Closed(_bench.Link.Admin, ByBroker(406, "PRECONDITION_FAILED"));
        _bench.Opened(_bench.Link.Admin);
        Assert.Equal("queue 'b'", _bench.Link.Admin.Asked.Single().Key);
        _bench.Answered(_bench.Link.Admin);
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
        Assert.Equal("queue 'a': 406 PRECONDITION_FAILED", Assert.Single(_bench.Actor.TopologyErrors));
    }

    [Fact]
    public void An_entity_whose_declaration_goes_unanswered_on_a_new_link_is_named_and_retried_with_growing_delays()
    {
        _bench.Open();
        _bench.Declare(S(5), "a");
        _bench.Answered(_bench.Link.Admin);
        _bench.Reopen();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        var pauses = new List<double>();
        for (int i = 0; i < 5; i++)
        {
            FakeLink.Channel silent = _bench.Link.Admin;
            Assert.Equal("queue 'a'", silent.Asked.Single().Key);
            _bench.Wait(Ms(30_050));
            Assert.True(silent.IsClosed);
            Assert.StartsWith("queue 'a': ", Assert.Single(_bench.Actor.TopologyErrors), StringComparison.Ordinal);
            _bench.Opened(_bench.Link.Admin);
            Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
            long from = _bench.Now;
            for (int wait = 0; _bench.Link.Admin.Asked.Count == 0; wait++)
            {
                Assert.True(wait < 1_000, "It is not declared again.");
                _bench.Wait(Ms(10));
            }
            pauses.Add(TimeSpan.FromTicks(_bench.Now - from).TotalMilliseconds);
        }
        Assert.True(pauses[4] > 4 * Math.Max(pauses[0], 100), string.Join(" ", pauses));
        _bench.Answered(_bench.Link.Admin);
        Assert.Empty(_bench.Actor.TopologyErrors);
        Assert.Equal(2, _bench.Actor.Epoch);
    }

    [Fact]
    public void What_an_operator_has_to_mend_is_not_declared_again_on_the_same_link()
    {
        _bench.Open();
        _bench.Declare(S(5), "a");
        _bench.Answered(_bench.Link.Admin);
        _bench.Reopen();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        _bench.Closed(_bench.Link.Admin, ByBroker(406, "PRECONDITION_FAILED"));
        _bench.Opened(_bench.Link.Admin);
        _bench.Wait(S(60));
        Assert.Empty(_bench.Link.Admin.Asked);
    }

    [Fact]
    public void A_declaration_over_which_the_broker_closes_each_connection_makes_the_next_come_ever_later()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        _bench.Declare(S(300), "a");
        var pauses = new List<double>();
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal("queue 'a'", _bench.Link.Admin.Asked.Single().Key);
            _bench.LoseLink("540 NOT_IMPLEMENTED");
            pauses.Add(TimeSpan.FromTicks(_bench.Actor.NextAttemptAt - _bench.Now).TotalMilliseconds);
            _bench.Wait(S(5));
            _bench.Connected();
            _bench.Opened(_bench.Link.Admin);
            _bench.Opened(_bench.Link.Lane);
            Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
        }
        Assert.Equal([50, 100, 200, 400, 800, 1600], pauses);
        _bench.Answered(_bench.Link.Admin);
        _bench.Wait(S(6)); // longer than the longest wait
        _bench.LoseLink();
        Assert.Equal(50, TimeSpan.FromTicks(_bench.Actor.NextAttemptAt - _bench.Now).TotalMilliseconds);
    }

    [Fact]
    public void Silence_of_one_and_a_half_heartbeats_ends_the_link()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(_bench.Now, null);
        _bench.Wait(S(44));
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
        _bench.Wait(Ms(1010));
        Assert.Equal(AmqpLinkState.Waiting, _bench.Actor.State);
        Assert.Contains("nothing was received", _bench.Actor.LastError!, StringComparison.Ordinal);
    }

    [Fact]
    public void A_connect_that_never_answers_is_given_up_and_tried_again()
    {
        _bench.Post(new ActorCommand.Start());
        _bench.Wait(S(12));
        Assert.Equal((1, false), _bench.Link.Abandoned[0]);
        Assert.Equal(2, _bench.Link.Connects.Count);
        _bench.Connected();
        Assert.Equal(AmqpLinkState.Preparing, _bench.Actor.State);
    }

    [Fact]
    public void Signals_of_an_earlier_link_or_channel_change_nothing()
    {
        _bench.Open();
        FakeLink.Channel old = _bench.Link.Lane;
        _bench.Publish();
        _bench.Reopen();
        var job = _bench.Publish();
        _bench.Post(new BrokerSignal.Acked(old.Incarnation, 1, Multiple: false),
            new BrokerSignal.LinkLost(1, ByBroker(320, "old")),
            new BrokerSignal.ChannelClosed(old.Incarnation, ByBroker(404, "old")),
            new BrokerSignal.Connected(1, "old"));
        Assert.Equal("pending", job.Ended());
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
    }

    [Fact]
    public void Refused_credentials_are_tried_again_rarely_and_told_to_callers_that_asked_to_fail_fast()
    {
        var fast = new Completion<bool>();
        var patient = new Completion<bool>();
        _bench.Post(
            new ActorCommand.Start(),
            new ActorCommand.WaitOpen(FailFast: true, fast),
            new ActorCommand.WaitOpen(FailFast: false, patient));
        _bench.Post(new BrokerSignal.ConnectFailed(1, ByBroker(403, "ACCESS_REFUSED"), Refused: true, "broker"));
        Assert.True(Assert.IsType<AmqpConnectException>(fast.Error()).IsRefused);
        Assert.Equal("pending", patient.Ended());
        _bench.Wait(S(29));
        Assert.Single(_bench.Link.Connects);
        _bench.Wait(S(2));
        Assert.Equal(2, _bench.Link.Connects.Count);
    }

    [Fact]
    public void A_link_that_was_let_in_after_a_refusal_and_goes_silent_counts_as_lost_not_as_refused()
    {
        _bench.Post(
            new ActorCommand.Start(),
            new BrokerSignal.ConnectFailed(1, ByBroker(403, "ACCESS_REFUSED"), Refused: true, "broker"));
        _bench.Wait(S(31));
        _bench.Connected();
        _bench.Link.LastTraffic = new LinkTraffic(_bench.Now, null);
        _bench.Wait(S(46)); // silence; not yet open
        _bench.Wait(S(5)); // a refusal would wait for 30 s
        Assert.Equal(3, _bench.Link.Connects.Count);
    }

    [Fact]
    public void Failing_fast_means_that_every_host_had_its_turn()
    {
        var bench = new ActorBench(new ActorSettings { Name = "bench", Hosts = 2 });
        var opened = new Completion<bool>();
        bench.Post(new ActorCommand.WaitOpen(FailFast: true, opened), new ActorCommand.Start());
        Assert.Equal(TimeSpan.FromSeconds(5), bench.Link.Within); // of ten, for both
        bench.Post(new BrokerSignal.ConnectFailed(
            1, new CloseReason(0, "refused", ByBroker: false), Refused: false, "one"));
        Assert.Equal("pending", opened.Ended());
        bench.Wait(S(1));
        bench.Post(new BrokerSignal.ConnectFailed(
            2, new CloseReason(0, "refused", ByBroker: false), Refused: false, "two"));
        Assert.Equal("AmqpConnectException", opened.Ended());
        bench.Wait(S(1));
        Assert.Equal((3, TimeSpan.FromSeconds(10)), (bench.Link.Connects.Count, bench.Link.Within));
    }

    [Fact]
    public void Attempts_are_counted_until_the_link_is_open()
    {
        _bench.Connect();
        for (int i = 0; i < 4; i++)
        {
            _bench.LoseLink();
            _bench.Wait(S(5));
            _bench.Connected();
        }
        Assert.Equal(5, _bench.Actor.RecoveryAttempt);
        _bench.Opened(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Lane);
        Assert.Equal(0, _bench.Actor.RecoveryAttempt);
    }

    [Fact]
    public void A_channel_that_the_broker_never_opens_while_it_answers_others_is_asked_for_again()
    {
        _bench.Connect();
        FakeLink.Channel lane = _bench.Link.Lane;
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        _bench.Opened(_bench.Link.Admin);
        _bench.Wait(S(31));
        Assert.True(lane.IsClosed);
        Assert.NotSame(lane, _bench.Link.Lane);
        _bench.Opened(_bench.Link.Lane);
        Assert.Equal((AmqpLinkState.Open, 1), (_bench.Actor.State, _bench.Actor.Epoch));
    }

    [Fact]
    public void A_channel_that_the_broker_refuses_again_and_again_is_asked_for_with_growing_delays()
    {
        _bench.Connect();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        for (int i = 0; i < 20; i++)
        {
            FakeLink.Channel refused = _bench.Link.Admin;
            _bench.Closed(refused, ByBroker(504, "no channel left"));
            Assert.Same(refused, _bench.Link.Admin);
            _bench.Wait(S(5));
            Assert.NotSame(refused, _bench.Link.Admin);
        }
    }
}
