using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Tests.Actor;
using SafeAmqp.Topology;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Rpc;

public sealed class CallTests
{
    private static readonly AmqpReplyAddress Fixed = AmqpReplyAddress.Queue("replies");

    private readonly ActorBench _bench = new();

    [Fact]
    public void The_first_call_makes_a_reply_queue_and_all_calls_use_it()
    {
        FakeLink.Channel replies = OpenReplies(out CallJob first);
        var second = _bench.Call(AmqpReplyAddress.Exclusive);
        Assert.Equal(["amq.gen-1", "amq.gen-1"], _bench.Link.Lane.Published.Select(sent => sent.Message.ReplyTo));
        Assert.All(_bench.Link.Lane.Published, sent => Assert.True(sent.Message.Mandatory));
        Assert.Equal(new AdminRequest.ReplyQueue(), Assert.Single(replies.Asked));

        _bench.Post(Reply(replies, 1, second), Reply(replies, 2, first));
        Assert.Equal(("done", "done"), (first.Ended(), second.Ended()));
        Assert.Empty(replies.Settled); // they are consumed without acknowledgement
        _bench.Acked(2, multiple: true);
        AssertAllGivenBack();
    }

    [Fact]
    public void Publishes_do_not_wait_for_a_reply_address()
    {
        _bench.Open();
        _bench.Call(AmqpReplyAddress.Exclusive);
        _bench.Publish();
        Assert.Equal(["m2"], _bench.Link.Lane.Ids);
    }

    [Fact]
    public void A_call_whose_reply_address_never_comes_ends_as_not_sent_at_its_deadline()
    {
        _bench.Open();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        var job = _bench.Call(AmqpReplyAddress.Exclusive, S(90));
        FakeLink.Channel replies = _bench.Link.Replies;
        _bench.Opened(replies);
        Assert.Equal(new AdminRequest.ReplyQueue(), Assert.Single(replies.Asked)); // which is not answered
        _bench.Wait(S(89));
        Assert.Equal("pending", job.Ended());
        _bench.Wait(Ms(1050));
        Assert.Equal("NotSent", job.Ended());
        Assert.NotSame(replies, _bench.Link.Replies); // it was tried again
        AssertAllGivenBack();
    }

    [Fact]
    public void Calls_whose_reply_queue_is_refused_end_at_once_until_there_is_one()
    {
        _bench.Open();
        CallJob first = _bench.Call(AmqpReplyAddress.Exclusive);
        FakeLink.Channel refused = _bench.Link.Replies;
        _bench.Opened(refused);
        _bench.Closed(refused, ByBroker(403, "ACCESS_REFUSED"));
        Assert.Equal("NotSent", first.Ended());
        Assert.Contains("the broker refused its reply queue: 403 ACCESS_REFUSED", first.Error().Message,
            StringComparison.Ordinal);
        Assert.Equal("NotSent", _bench.Call(AmqpReplyAddress.Exclusive).Ended());
        AssertAllGivenBack();

        _bench.Wait(S(31)); // it is asked for again
        Assert.NotSame(refused, _bench.Link.Replies);
        MakeReplies("amq.gen-2");
        CallJob last = _bench.Call(AmqpReplyAddress.Exclusive);
        Assert.Equal("amq.gen-2", Assert.Single(_bench.Link.Lane.Published).Message.ReplyTo);
        Assert.Equal("pending", last.Ended());
    }

    [Fact]
    public void A_request_that_no_queue_receives_ends_at_once()
    {
        OpenReplies(out CallJob job);
        FakeLink.Channel lane = _bench.Link.Lane;
        _bench.Post(
            new BrokerSignal.Returned(lane.Incarnation, lane.Published[0].Slot, 312, "NO_ROUTE"),
            new BrokerSignal.Acked(lane.Incarnation, 1, false));
        Assert.Equal("Returned", job.Ended());
        AssertAllGivenBack();
    }

    [Theory]
    [InlineData(true, "Confirmed")]
    [InlineData(false, "Unknown")]
    public void A_call_without_a_reply_ends_at_its_deadline_and_says_what_became_of_its_request(
        bool confirmed, string outcome)
    {
        OpenReplies(out CallJob job);
        if (confirmed)
            _bench.Acked(1);
        _bench.Wait(Ms(30_050));
        Assert.Equal(outcome, job.Ended());
        Assert.IsType<AmqpNoReplyException>(job.Error());
    }

    [Fact]
    public void A_reply_that_comes_late_twice_or_for_no_call_is_counted_and_dropped()
    {
        FakeLink.Channel replies = OpenReplies(out CallJob job);
        _bench.Post(Reply(replies, 1, job), Reply(replies, 2, job));
        _bench.Delivered(replies, 3, new AmqpMessage { CorrelationId = "unknown" });
        _bench.Delivered(replies, 4, new AmqpMessage());
        var late = _bench.Call(AmqpReplyAddress.Exclusive);
        _bench.Post(new CancelJob(late));
        Assert.Equal("OperationCanceledException", late.Ended());
        _bench.Post(Reply(replies, 5, late));
        Assert.Equal(4, _bench.Actor.LateReplies);
    }

    [Fact]
    public void A_reply_to_a_request_that_was_not_sent_is_no_reply()
    {
        _bench.Open();
        _bench.Post(new BrokerSignal.Blocked(1, "memory"));
        var job = _bench.Call(Fixed, id: "my-own");
        var matched = new Completion<bool>();
        _bench.Post(new Replied("my-own", new AmqpMessage(), matched));
        Assert.Equal("pending", job.Ended());
        Assert.False(matched.Value());
    }

    [Fact]
    public void A_fault_comes_back_as_an_exception_with_its_type()
    {
        FakeLink.Channel replies = OpenReplies(out CallJob job);
        _bench.Delivered(replies, 1, new AmqpMessage
        {
            CorrelationId = job.CorrelationId,
            Headers = new Dictionary<string, object?> { [CallHeaders.Fault] = "My.Error" },
            Body = "no \u0007bell"u8.ToArray(),
        });
        var error = Assert.IsType<AmqpRemoteException>(job.Error());
        Assert.Equal("My.Error", error.RemoteType);
        Assert.Contains("no \\u0007bell", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Calls_that_were_sent_end_when_the_way_back_is_lost_and_those_that_wait_use_the_next()
    {
        FakeLink.Channel replies = OpenReplies(out CallJob sent);
        _bench.Acked(1);
        _bench.Post(new BrokerSignal.Blocked(1, "memory"));
        var waiting = _bench.Call(AmqpReplyAddress.Exclusive);
        _bench.Post(new BrokerSignal.ConsumerCancelled(replies.Incarnation, ByBroker: true));
        Assert.Equal(("Confirmed", "pending"), (sent.Ended(), waiting.Ended()));
        _bench.Wait(S(1));
        _bench.Post(new BrokerSignal.Unblocked(1));
        Assert.Single(_bench.Link.Lane.Published);
        MakeReplies("amq.gen-2");
        Assert.Equal("amq.gen-2", _bench.Link.Lane.Published[1].Message.ReplyTo);
    }

    [Fact]
    public void A_failed_publish_loses_no_replies()
    {
        FakeLink.Channel replies = OpenReplies(out CallJob job);
        _bench.Acked(1);
        _bench.Closed(_bench.Link.Lane, ByBroker(404, "NOT_FOUND - no exchange 'x' in vhost '/'"));
        _bench.Post(Reply(replies, 1, job));
        Assert.Equal("done", job.Ended());
    }

    [Fact]
    public void With_a_fixed_queue_a_call_outlives_its_link()
    {
        _bench.Open();
        var job = _bench.Call(Fixed);
        Assert.Equal("replies", _bench.Link.Lane.Published[0].Message.ReplyTo);
        _bench.Reopen();
        Assert.Equal(("pending", 0L), (job.Ended(), _bench.Credit.Messages)); // nothing of it is on the way any more
        _bench.Post(new Replied(job.CorrelationId, new AmqpMessage(), new Completion<bool>()));
        Assert.Equal("done", job.Ended());
        AssertAllGivenBack();
    }

    [Fact]
    public void With_a_fixed_queue_a_reply_before_the_confirm_returns_its_credit_even_when_the_link_is_lost()
    {
        _bench.Open();
        var job = _bench.Call(Fixed);
        _bench.Post(new Replied(job.CorrelationId, new AmqpMessage(), new Completion<bool>()));
        _bench.Reopen();
        Assert.Equal("done", job.Ended());
        AssertAllGivenBack();
    }

    [Fact]
    public void A_second_call_with_a_correlation_id_that_is_waiting_is_not_sent()
    {
        _bench.Open();
        var first = _bench.Call(Fixed, id: "same");
        var second = _bench.Call(Fixed, id: "same");
        Assert.Equal(("pending", "NotSent"), (first.Ended(), second.Ended()));
        _bench.Post(new Replied("same", new AmqpMessage(), new Completion<bool>()));
        Assert.Equal("done", first.Ended());
        Assert.Equal(0, _bench.Places.Messages);
    }

    [Fact]
    public void A_call_that_ends_before_it_is_accepted_gives_its_place_back()
    {
        _bench.Open();
        Assert.Equal("NotSent", _bench.Call(Fixed, S(1), old: S(2)).Ended()); // too late
        _bench.Post(new BrokerSignal.Blocked(1, "memory"));
        var waiting = _bench.Call(Fixed);
        _bench.Post(new CancelJob(waiting));
        _bench.Publish();
        _bench.Close(S(5));
        var refused = _bench.Call(Fixed);
        Assert.Equal(("OperationCanceledException", "ObjectDisposedException"), (waiting.Ended(), refused.Ended()));
        Assert.Equal(0, _bench.Places.Messages);
    }

    [Fact]
    public void Direct_calls_have_a_channel_of_their_own_on_which_both_ways_go()
    {
        _bench.Open();
        FakeLink.Channel plain = _bench.Link.Lane;
        var job = _bench.Call(AmqpReplyAddress.Direct);
        FakeLink.Channel direct = _bench.Link.Lane;
        Assert.NotSame(plain, direct);
        _bench.Opened(direct);
        Assert.True(Assert.Single(direct.Consumed).NoAck);
        Assert.Empty(direct.Published);
        _bench.Started(direct);
        Assert.Equal("amq.rabbitmq.reply-to", Assert.Single(direct.Published).Message.ReplyTo);
        _bench.Post(Reply(direct, 1, job));
        Assert.Equal("done", job.Ended());

        var lost = _bench.Call(AmqpReplyAddress.Direct);
        _bench.Acked(2);
        _bench.Closed(direct, ByBroker(541, "oops"));
        Assert.Equal("Confirmed", lost.Ended());
        Assert.False(plain.IsClosed);
    }

    [Fact]
    public void A_direct_channel_that_cannot_consume_is_tried_again_with_delays_and_holds_nothing_else_up()
    {
        _bench.Open();
        _bench.Call(AmqpReplyAddress.Direct, TimeSpan.FromDays(1));
        for (int i = 0; i < 3; i++)
        {
            FakeLink.Channel direct = _bench.Link.Lane;
            _bench.Opened(direct);
            _bench.Closed(direct, ByBroker(540, "NOT_IMPLEMENTED"));
            Assert.Same(direct, _bench.Link.Lane);
            _bench.Wait(S(5));
            Assert.NotSame(direct, _bench.Link.Lane);
        }
        _bench.LoseLink();
        _bench.Wait(S(5));
        _bench.Connected();
        _bench.Opened(_bench.Link.Admin);
        var lanes = _bench.Link.Channels.Where(channel => channel.Confirms && channel.Epoch == 2).ToList();
        Assert.Equal(2, lanes.Count);
        _bench.Opened(lanes[0]);
        _bench.Opened(lanes[1]);
        _bench.Closed(lanes[1], ByBroker(540, "NOT_IMPLEMENTED"));
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
    }

    [Fact]
    public void A_request_carries_its_deadline_and_what_is_left_of_its_time()
    {
        _bench.Open();
        _bench.Post(new BrokerSignal.Blocked(1, "memory"));
        _bench.Call(Fixed, S(10));
        _bench.Wait(S(4));
        _bench.Post(new BrokerSignal.Unblocked(1));
        AmqpMessage request = Assert.Single(_bench.Link.Lane.Published).Message;
        Assert.Equal(S(6), request.Expiration);
        Assert.Equal(0L, request.Headers![Outgoing.DeadlineHeader]);
    }

    private static BrokerSignal.Delivered Reply(FakeLink.Channel channel, ulong tag, CallJob job)
        => new(channel.Incarnation, tag, IsRedelivered: false, new AmqpMessage { CorrelationId = job.CorrelationId });

    private FakeLink.Channel OpenReplies(out CallJob first)
    {
        _bench.Open();
        first = _bench.Call(AmqpReplyAddress.Exclusive);
        Assert.Empty(_bench.Link.Lane.Published);
        return MakeReplies("amq.gen-1");
    }

    private FakeLink.Channel MakeReplies(string queue)
    {
        FakeLink.Channel replies = _bench.Link.Replies;
        _bench.Opened(replies);
        _bench.Answered(replies, queue);
        _bench.Started(replies);
        Assert.Equal((queue, true), (Assert.Single(replies.Consumed).Queue, replies.Consumed[0].NoAck));
        return replies;
    }

    private void AssertAllGivenBack() => Assert.Equal(
        (0L, 0L, 0L, 0),
        (_bench.Credit.Messages, _bench.Credit.Bytes, _bench.Places.Messages, _bench.Actor.PendingCalls));
}
