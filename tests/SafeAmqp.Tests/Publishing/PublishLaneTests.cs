using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Publishing;
using SafeAmqp.Tests.Actor;
using SafeAmqp.Topology;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Publishing;

public sealed class PublishLaneTests
{
    private readonly ActorBench _bench = new();

    private static ActorBench Bench(int window = 4096, long bytes = 32 << 20, bool republish = false)
        => new(new ActorSettings
        {
            Name = "bench",
            MaxUnconfirmedMessages = window,
            MaxUnconfirmedBytes = bytes,
            Republish = republish
        });

    [Fact]
    public void Publishes_leave_in_order_within_the_window_and_end_with_their_answers()
    {
        ActorBench bench = Bench(window: 3); // a ring of 4
        bench.Open();
        var jobs = Enumerable.Range(0, 5).Select(_ => bench.Publish()).ToList();
        Assert.Equal(["m1", "m2", "m3"], bench.Link.Lane.Ids);
        bench.Acked(2);
        Assert.Equal(["m1", "m2", "m3", "m4"], bench.Link.Lane.Ids);
        bench.Nacked(3, multiple: true);
        Assert.Equal(["m1", "m2", "m3", "m4", "m5"], bench.Link.Lane.Ids);
        bench.Acked(4);
        Assert.Equal(["Nacked", "done", "Nacked", "done", "pending"], jobs.Select(job => job.Ended()));
        Assert.Equal(1, bench.Credit.Messages);
    }

    [Fact]
    public void The_window_counts_bytes_and_lets_one_larger_message_go_alone()
    {
        ActorBench bench = Bench(bytes: 1000);
        bench.Open();
        bench.Publish(size: 600);
        bench.Publish(size: 500);
        bench.Publish(size: 5000);
        Assert.Equal(["m1"], bench.Link.Lane.Ids);
        bench.Acked(1);
        Assert.Equal(["m1", "m2"], bench.Link.Lane.Ids);
        bench.Acked(2);
        Assert.Equal(["m1", "m2", "m3"], bench.Link.Lane.Ids);
    }

    [Fact]
    public void A_returned_message_ends_as_returned_when_its_ack_comes_or_its_channel_goes()
    {
        _bench.Open();
        var first = _bench.Publish();
        var second = _bench.Publish();
        FakeLink.Channel lane = _bench.Link.Lane;
        _bench.Post(new BrokerSignal.Returned(lane.Incarnation, lane.Published[0].Slot, 312, "NO_ROUTE"),
            new BrokerSignal.Returned(lane.Incarnation, lane.Published[1].Slot, 312, "NO_ROUTE"));
        Assert.Equal("pending", first.Ended());
        _bench.Acked(1);
        _bench.LoseLink();
        Assert.Equal(("Returned", "Returned"), (first.Ended(), second.Ended()));
        Assert.Equal(312, Assert.IsType<AmqpReturnedException>(first.Error()).ReplyCode);
    }

    [Fact]
    public void A_message_that_is_not_mandatory_has_no_slot()
    {
        _bench.Open();
        _bench.Publish(mandatory: false);
        Assert.Equal(-1, _bench.Link.Lane.Published.Single().Slot);
    }

    [Fact]
    public void A_busy_channel_takes_nothing_until_it_is_ready()
    {
        _bench.Open();
        _bench.Link.NextPass = PassResult.PassedBusy;
        _bench.Publish();
        _bench.Publish();
        Assert.Single(_bench.Link.Lane.Published);
        _bench.Post(new BrokerSignal.Readied(_bench.Link.Lane.Incarnation));
        Assert.Equal(2, _bench.Link.Lane.Published.Count);
    }

    [Fact]
    public void A_publish_that_found_its_channel_closed_goes_first_on_the_next()
    {
        _bench.Open();
        _bench.Link.NextPass = PassResult.Closed;
        var first = _bench.Publish();
        _bench.Publish();
        _bench.Link.NextPass = PassResult.Passed;
        _bench.Wait(S(1));
        Assert.Empty(_bench.Link.Lane.Published);
        _bench.Closed(_bench.Link.Lane, ByBroker(541, "INTERNAL_ERROR"));
        _bench.Opened(_bench.Link.Lane);
        Assert.Equal(["m1", "m2"], _bench.Link.Lane.Ids);
        _bench.Acked(1);
        Assert.Equal("done", first.Ended());
    }

    [Fact]
    public void A_message_that_cannot_be_put_into_frames_is_refused_and_costs_nothing()
    {
        _bench.Open();
        var neighbour = _bench.Publish();
        _bench.Link.NextPass = PassResult.Refused;
        var job = _bench.Publish();
        Assert.Equal("Refused", job.Ended());
        _bench.Link.NextPass = PassResult.Passed;
        var next = _bench.Publish();
        _bench.Acked(2, multiple: true);
        Assert.Equal(("done", "done"), (neighbour.Ended(), next.Ended()));
    }

    [Fact]
    public void An_answer_to_a_publish_that_was_never_made_costs_the_channel()
    {
        _bench.Open();
        var job = _bench.Publish();
        FakeLink.Channel old = _bench.Link.Lane;
        _bench.Acked(2);
        Assert.Equal("Unknown", job.Ended());
        Assert.True(old.IsClosed);
    }

    [Fact]
    public void An_unknown_exchange_is_asked_for_before_its_first_publish_and_publishes_keep_their_order_meanwhile()
    {
        _bench.Open();
        _bench.Publish("orders");
        _bench.Publish();
        Assert.Empty(_bench.Link.Lane.Published);
        _bench.Checked();
        Assert.Equal(["m1", "m2"], _bench.Link.Lane.Ids);
        _bench.Publish("orders");
        Assert.Equal(new AdminRequest.ExchangeCheck("orders"), Assert.Single(_bench.Link.Admin.Asked));
    }

    [Fact]
    public void An_exchange_is_asked_for_while_a_declaration_is_not_answered()
    {
        _bench.Open();
        _bench.Declare(S(30), "slow");
        var job = _bench.Publish("orders");
        _bench.Checked();
        _bench.Acked(1);
        Assert.Equal("done", job.Ended());
    }

    [Fact]
    public void Publishes_to_an_exchange_that_is_not_there_are_refused_and_no_channel_is_lost()
    {
        _bench.Open();
        FakeLink.Channel lane = _bench.Link.Lane;
        var first = _bench.Publish("gone");
        var other = _bench.Publish();
        var second = _bench.Publish("gone");
        _bench.Checked(ByBroker(404, "NOT_FOUND - no exchange 'gone' in vhost '/'"));
        Assert.Equal(("Refused", "Refused"), (first.Ended(), second.Ended()));
        Assert.Equal(["m2"], lane.Ids);
        _bench.Acked(1);
        Assert.Equal("done", other.Ended());
    }

    [Fact]
    public void The_only_one_that_names_the_exchange_is_refused_and_its_neighbours_are_unknown()
    {
        _bench.Open();
        var before = _bench.Publish();
        var culprit = _bench.Publish("orders");
        _bench.Checked();
        var after = _bench.Publish();
        _bench.Closed(_bench.Link.Lane, ByBroker(404, "NOT_FOUND - no exchange 'orders' in vhost '/'"));
        Assert.Equal(("Unknown", "Refused", "Unknown"), (before.Ended(), culprit.Ended(), after.Ended()));
    }

    [Fact]
    public void Several_that_name_the_exchange_are_unknown_as_the_first_may_have_been_stored()
    {
        _bench.Open();
        var first = _bench.Publish("orders");
        _bench.Checked();
        var second = _bench.Publish("orders");
        _bench.Closed(_bench.Link.Lane, ByBroker(404, "NOT_FOUND - no exchange 'orders' in vhost '/'"));
        Assert.Equal(("Unknown", "Unknown"), (first.Ended(), second.Ended()));
    }

    [Fact]
    public void A_refusal_of_access_is_remembered_for_a_second()
    {
        _bench.Open();
        _bench.Publish("secret");
        _bench.Checked();
        FakeLink.Channel first = _bench.Link.Lane;
        _bench.Closed(
            first, ByBroker(403, "ACCESS_REFUSED - access to exchange 'secret' in vhost '/' refused for user 'guest'"));
        _bench.Opened(_bench.Link.Lane);
        Assert.Equal("Refused", _bench.Publish("secret").Ended());
        Assert.Empty(_bench.Link.Lane.Published);
        _bench.Wait(Ms(1001));
        Assert.Equal("pending", _bench.Publish("secret").Ended());
        Assert.Single(_bench.Link.Lane.Published);
    }

    [Fact]
    public void What_is_in_flight_is_unknown_when_the_link_is_lost_and_what_waits_goes_out_on_the_next()
    {
        ActorBench bench = Bench(window: 2);
        bench.Open();
        var jobs = Enumerable.Range(0, 4).Select(_ => bench.Publish()).ToList();
        bench.Reopen();
        Assert.Equal(["Unknown", "Unknown", "pending", "pending"], jobs.Select(job => job.Ended()));
        Assert.Equal(["m3", "m4"], bench.Link.Lane.Ids);
        bench.Acked(2, multiple: true);
        Assert.Equal(["done", "done"], jobs.Skip(2).Select(job => job.Ended()));
    }

    [Fact]
    public void By_option_what_was_in_flight_goes_again_before_everything_newer()
    {
        ActorBench bench = Bench(window: 3, republish: true);
        bench.Open();
        var jobs = Enumerable.Range(0, 5).Select(_ => bench.Publish()).ToList();
        bench.Acked(2);
        bench.Reopen();
        Assert.Equal(["m1", "m3", "m4"], bench.Link.Lane.Ids);
        bench.Acked(3, multiple: true);
        bench.Acked(4);
        Assert.All(jobs, job => Assert.Equal("done", job.Ended()));
    }

    [Fact]
    public void What_goes_again_can_no_more_be_cancelled_and_is_unknown_at_its_deadline()
    {
        ActorBench bench = Bench(republish: true);
        bench.Open();
        var job = bench.Publish(timeout: S(2));
        bench.LoseLink();
        bench.Post(new CancelJob(job));
        Assert.Equal("pending", job.Ended());
        bench.Wait(Ms(2050));
        Assert.Equal("Unknown", job.Ended());
    }

    [Theory]
    [InlineData("nacked")]
    [InlineData("returned")]
    [InlineData("exchange gone")]
    [InlineData("channel closed over it")]
    public void Whatever_happens_to_a_repeated_publish_but_a_confirm_leaves_its_outcome_unknown(string fate)
    {
        ActorBench bench = Bench(republish: true);
        bench.Open();
        var job = bench.Publish("orders");
        bench.Checked();
        bench.Reopen(); // the first copy may have been stored
        if (fate == "exchange gone")
        {
            bench.Checked(ByBroker(404, "NOT_FOUND - no exchange 'orders' in vhost '/'"));
        }
        else
        {
            bench.Checked();
            FakeLink.Channel lane = bench.Link.Lane;
            Assert.Equal(["m1"], lane.Ids);
            if (fate == "nacked")
                bench.Nacked(1);
            else if (fate == "returned")
                bench.Post(
                    new BrokerSignal.Returned(lane.Incarnation, lane.Published[0].Slot, 312, "NO_ROUTE"),
                    new BrokerSignal.Acked(lane.Incarnation, 1, false));
            else
                bench.Closed(lane, ByBroker(404, "NOT_FOUND - no exchange 'orders' in vhost '/'"));
        }
        Assert.Equal("Unknown", job.Ended());
        Assert.False(Assert.IsAssignableFrom<AmqpException>(job.Error()).IsSafeToRepeat);
    }

    [Fact]
    public void A_publish_that_waits_can_be_cancelled_and_one_that_was_sent_cannot()
    {
        ActorBench bench = Bench(window: 1);
        bench.Open();
        var sent = bench.Publish();
        var waiting = bench.Publish();
        bench.Post(new CancelJob(sent), new CancelJob(waiting));
        Assert.Equal(("pending", "OperationCanceledException"), (sent.Ended(), waiting.Ended()));
        bench.Acked(1);
        Assert.Equal("done", sent.Ended());
        Assert.Equal(["m1"], bench.Link.Lane.Ids);
    }

    [Fact]
    public void A_token_that_fires_before_the_job_arrives_keeps_it_from_being_sent()
    {
        _bench.Open();
        Assert.True(_bench.Credit.TryTake(0));
        var job = new SafeAmqp.Publishing.PublishJob(new AmqpMessage(), 0, S(30).Ticks, _bench.Credit);
        _bench.Post(new CancelJob(job), job);
        Assert.Equal("OperationCanceledException", job.Ended());
        Assert.Empty(_bench.Link.Lane.Published);
        Assert.Equal(0, _bench.Credit.Messages);
    }

    [Fact]
    public void Deadlines_end_what_waits_as_not_sent_and_what_was_sent_as_unknown()
    {
        ActorBench bench = Bench(window: 1);
        bench.Open();
        var sent = bench.Publish(timeout: S(1));
        var waiting = bench.Publish(timeout: S(2));
        bench.Wait(Ms(1050));
        Assert.Equal(("Unknown", "pending"), (sent.Ended(), waiting.Ended()));
        bench.Wait(S(1));
        Assert.Equal("NotSent", waiting.Ended());
        Assert.IsType<TimeoutException>(waiting.Error().InnerException);
    }

    [Fact]
    public void A_post_ends_when_it_is_passed_on_and_keeps_its_credit_until_the_answer()
    {
        _bench.Open();
        _bench.Post(new BrokerSignal.Blocked(1, "memory"));
        var job = _bench.PostJob();
        Assert.Equal("pending", job.Ended());
        _bench.Post(new BrokerSignal.Unblocked(1));
        Assert.Equal(("done", 1L), (job.Ended(), _bench.Credit.Messages));
        _bench.Acked(1);
        Assert.Equal(0, _bench.Credit.Messages);
    }

    [Fact]
    public void A_post_that_is_never_answered_gives_its_credit_back_at_its_deadline()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        _bench.PostJob(timeout: S(5));
        _bench.Wait(Ms(4900));
        Assert.Equal(1, _bench.Credit.Messages);
        _bench.Wait(Ms(150));
        Assert.Equal(0, _bench.Credit.Messages);
        _bench.Acked(1);
        Assert.Equal((0, 0L), (_bench.Actor.Unconfirmed, _bench.Credit.Messages));
    }

    [Fact]
    public void Publishes_that_are_never_answered_do_not_hold_the_window_for_ever()
    {
        ActorBench bench = Bench(window: 2);
        bench.Open();
        bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        var first = bench.Publish(timeout: S(5));
        var second = bench.PostJob(timeout: S(5));
        var waiting = bench.Publish(timeout: S(30));
        FakeLink.Channel stuck = bench.Link.Lane;
        bench.Wait(Ms(5050));
        Assert.Equal(("Unknown", "done", "pending"), (first.Ended(), second.Ended(), waiting.Ended()));
        Assert.True(stuck.IsClosed);
        bench.Opened(bench.Link.Lane);
        bench.Acked(1);
        Assert.Equal(("done", 0L), (waiting.Ended(), bench.Credit.Messages));
    }

    [Fact]
    public void A_channel_is_kept_while_a_caller_waits_for_one_of_its_answers()
    {
        ActorBench bench = Bench(window: 2);
        bench.Open();
        bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        FakeLink.Channel lane = bench.Link.Lane;
        bench.Publish(timeout: S(5));
        var answered = bench.Publish(timeout: S(60));
        bench.Publish(timeout: S(60));
        for (int i = 0; i < 9; i++)
        {
            bench.Wait(Ms(5_500));
            bench.Answered(lane); // the channel is well, and its queue has no majority
        }
        Assert.False(lane.IsClosed);
        bench.Acked(2);
        Assert.Equal("done", answered.Ended());
        Assert.Equal(2, lane.Published.Count); // the ring has no place behind the oldest,
        Assert.True(lane.IsClosed); // which no caller waits for
    }

    [Fact]
    public void A_storm_of_nacks_drains_the_channel_and_replaces_it()
    {
        _bench.Open();
        FakeLink.Channel first = _bench.Link.Lane;
        for (ulong i = 1; i <= 10; i++)
        {
            _bench.Publish();
            _bench.Wait(Ms(30));
            if (i < 10)
                _bench.Nacked(i);
        }
        var inFlight = _bench.Publish();
        _bench.Nacked(10);
        var waiting = _bench.Publish();
        Assert.Equal(11, first.Published.Count);
        _bench.Acked(11);
        Assert.Equal("done", inFlight.Ended());
        Assert.True(first.IsClosed);
        _bench.Opened(_bench.Link.Lane);
        _bench.Acked(1);
        Assert.Equal("done", waiting.Ended());
    }

    [Fact]
    public void A_drain_that_the_broker_does_not_let_end_is_ended()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        for (int i = 0; i < 11; i++)
            _bench.Publish(timeout: S(5));
        for (ulong i = 2; i <= 11; i++)
        {
            _bench.Wait(Ms(30));
            _bench.Nacked(i);
        }
        FakeLink.Channel draining = _bench.Link.Lane;
        var waiting = _bench.Publish(timeout: S(30));
        Assert.Equal(11, draining.Published.Count);
        _bench.Wait(S(6));
        Assert.NotSame(draining, _bench.Link.Lane);
        _bench.Opened(_bench.Link.Lane);
        _bench.Acked(1);
        Assert.Equal("done", waiting.Ended());
    }

    [Fact]
    public void A_channel_that_fails_to_open_is_tried_again_later_and_one_that_had_been_open_at_once()
    {
        _bench.Connect();
        _bench.Opened(_bench.Link.Admin);
        FakeLink.Channel first = _bench.Link.Lane;
        _bench.Closed(first, ByBroker(504, "no"));
        Assert.Same(first, _bench.Link.Lane);
        _bench.Wait(S(1));
        FakeLink.Channel second = _bench.Link.Lane;
        Assert.NotSame(first, second);
        _bench.Opened(second);
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
        _bench.Closed(second, ByBroker(541, "oops"));
        Assert.NotSame(second, _bench.Link.Lane);
    }
}
