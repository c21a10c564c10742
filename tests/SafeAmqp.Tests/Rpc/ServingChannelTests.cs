using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Tests.Actor;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Rpc;

/// <summary>Requests, replies and acknowledgements on one channel.</summary>
public sealed class ServingChannelTests
{
    private const string Direct = "amq.rabbitmq.reply-to.g1", Made = "amq.gen-1", Lasting = "replies";

    private readonly ActorBench _bench = new();
    private readonly Server _server = new();

    [Theory, InlineData(Direct), InlineData(Made)]
    public void A_reply_that_ends_with_its_caller_leaves_before_its_acknowledgement_and_neither_waits(string replyTo)
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, replyTo);
        Deliver(channel, 2, replyTo);
        _bench.Post(Reply(served, 1), Reply(served, 2));
        Assert.Equal(["publish 1", "publish 2", "Ack 2 and before"], channel.Order);
        Assert.False(channel.ConfirmsSince);
        Assert.Equal(0, served.Unsettled);
        Assert.Equal(0, _bench.Credit.Messages);
    }

    [Fact]
    public void A_joined_acknowledgement_covers_no_request_whose_reply_is_not_before_it()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        for (ulong tag = 1; tag <= 3; tag++)
            Deliver(channel, tag, tag == 2 ? Lasting : Made);
        _bench.Post(Reply(served, 1), Reply(served, 2), Reply(served, 3));
        Assert.Equal(["publish 1", "publish 2", "publish 3", "Ack 1", "Ack 3"], channel.Order);
        Assert.True(channel.ConfirmsSince);
        Acked(channel, 1); // the first since confirms were asked for
        Assert.Equal("Ack 2", channel.Order[^1]);
    }

    [Fact]
    public void A_worker_that_is_slower_holds_up_no_other_reply()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        Deliver(channel, 2, Made);
        _bench.Post(Reply(served, 2));
        Assert.Equal(["publish 2", "Ack 2"], channel.Order);
        _bench.Post(Reply(served, 1));
        Assert.Equal(["publish 2", "Ack 2", "publish 1", "Ack 1"], channel.Order);
    }

    [Fact]
    public void While_the_broker_blocks_replies_are_held_with_their_acknowledgements()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        _bench.Post(new BrokerSignal.Blocked(_bench.Actor.Epoch, "memory"), Reply(served, 1));
        Assert.Empty(channel.Order);
        Assert.Equal(1, _bench.Credit.Messages);
        _bench.Post(new BrokerSignal.Unblocked(_bench.Actor.Epoch));
        Assert.Equal(["publish 1", "Ack 1"], channel.Order);
    }

    [Fact]
    public void A_busy_channel_takes_the_next_reply_when_it_is_ready()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        Deliver(channel, 2, Made);
        _bench.Link.NextPass = PassResult.PassedBusy;
        _bench.Post(Reply(served, 1), Reply(served, 2));
        Assert.Equal(["publish 1", "Ack 1"], channel.Order);
        _bench.Link.NextPass = PassResult.Passed;
        _bench.Post(new BrokerSignal.Readied(channel.Incarnation));
        Assert.Equal(["publish 1", "Ack 1", "publish 2", "Ack 2"], channel.Order);
    }

    [Fact]
    public void A_request_that_came_before_is_answered_with_nothing_in_doubt_beside_it()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        Deliver(channel, 2, Made, redelivered: true);
        Deliver(channel, 3, Made, redelivered: true);
        Deliver(channel, 4, Made);
        _bench.Post(Reply(served, 1), Reply(served, 2), Reply(served, 3), Reply(served, 4));
        Assert.Equal(["publish 1", "Ack 1"], channel.Order); // the first may still close the channel
        Assert.IsType<AdminRequest.Probe>(Assert.Single(channel.Asked));
        _bench.Answered(channel);
        Assert.Equal("publish 2", channel.Order[^1]);
        Acked(channel, 1);
        Assert.Equal(["publish 3", "Ack 2"], channel.Order[^2..]);
        Acked(channel, 2);
        Assert.Equal(["publish 4", "Ack 4 and before"], channel.Order[^2..]);
    }

    [Fact]
    public void The_one_reply_over_which_the_channel_closed_is_known_and_of_several_none()
    {
        _bench.Random = 0;
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        Deliver(channel, 2, Made);
        _bench.Post(Reply(served, 1), Reply(served, 2));
        _bench.Closed(channel, ByBroker(406, "PRECONDITION_FAILED - invalid"));
        Assert.Empty(_server.Remembered);
        channel = Again();
        Deliver(channel, 1, Made, redelivered: true);
        Deliver(channel, 2, Made, redelivered: true);
        _bench.Post(Reply(served, 3), Reply(served, 4));
        _bench.Closed(channel, ByBroker(406, "PRECONDITION_FAILED - invalid"));
        Assert.Equal(Received(served)[2], Assert.Single(_server.Remembered));
        Assert.Equal(0, _bench.Credit.Messages);
    }

    [Fact]
    public void A_handler_beyond_the_brokers_time_out_is_not_blamed_on_a_reply()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        _bench.Post(Reply(served, 1));
        _bench.Closed(channel, ByBroker(406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out"));
        Assert.Empty(_server.Remembered);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_lasting_reply_that_is_returned_or_nacked_fails_and_its_request_waits_to_be_settled(bool isReturned)
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Lasting);
        _bench.Post(Reply(served, 1));
        if (isReturned)
        {
            _bench.Post(new BrokerSignal.Returned(channel.Incarnation, channel.Published[0].Slot, 312, "NO_ROUTE"),
                new BrokerSignal.Acked(channel.Incarnation, 1, Multiple: false));
        }
        else
        {
            _bench.Post(new BrokerSignal.Nacked(channel.Incarnation, 1, Multiple: false));
        }
        Assert.Equal(isReturned ? typeof(AmqpReturnedException) : typeof(AmqpNackedException),
            Assert.Single(_server.Failed).GetType());
        Assert.Empty(channel.Settled);
        _bench.Post(Settle(served, 1, AmqpSettlement.Ack));
        Assert.Equal("Ack 1", channel.Order[^1]);
        Assert.Equal(0, _bench.Credit.Messages);
    }

    [Fact]
    public void A_reply_that_cannot_be_put_into_frames_fails_and_the_channel_is_well()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        _bench.Link.NextPass = PassResult.Refused;
        _bench.Post(Reply(served, 1));
        Assert.IsType<AmqpRefusedException>(Assert.Single(_server.Failed));
        Assert.Empty(channel.Order);
        Assert.False(channel.IsClosed);
    }

    [Fact]
    public void A_reply_whose_confirm_does_not_come_is_unknown_at_its_deadline()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Lasting);
        _bench.Post(Reply(served, 1));
        for (int i = 0; i < 7; i++)
        {
            _bench.Wait(S(5));
            _bench.Answered(channel); // the channel is well: its queue has no majority
        }
        Assert.IsType<AmqpUnknownOutcomeException>(Assert.Single(_server.Failed));
        Assert.NotEmpty(channel.Asked);
        Assert.False(channel.IsClosed);
        Acked(channel, 1); // late
        Assert.Single(_server.Failed);
    }

    [Theory, InlineData(Made), InlineData(Lasting)]
    public void A_channel_that_the_broker_does_not_read_any_more_is_replaced(string replyTo)
    {
        _bench.Random = 0;
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, replyTo);
        _bench.Post(Reply(served, 1));
        _bench.Wait(S(4.9));
        Assert.Empty(channel.Asked);
        _bench.Wait(S(0.2));
        Assert.IsType<AdminRequest.Probe>(Assert.Single(channel.Asked));
        _bench.Wait(S(35));
        Assert.True(channel.IsClosed);
        Assert.NotSame(channel, _bench.Link.Consumer);
    }

    [Fact]
    public void A_stop_ends_when_the_broker_has_worked_off_the_last_reply()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        Deliver(channel, 2, Lasting);
        _bench.Post(new ConsumerCommand.Stop(served));
        _bench.Post(new BrokerSignal.ConsumerCancelled(channel.Incarnation, ByBroker: false));
        Assert.True(served.Quiet.HasEnded);
        _bench.Post(Reply(served, 1), Reply(served, 2), new ConsumerCommand.End(served));
        Assert.False(served.Ended.HasEnded);
        Acked(channel, 1);
        Assert.False(served.Ended.HasEnded);
        Assert.IsType<AdminRequest.Probe>(Assert.Single(channel.Asked));
        _bench.Answered(channel);
        Assert.True(served.Ended.HasEnded);
        Assert.Equal(["publish 1", "publish 2", "Ack 1", "Ack 2"], channel.Order);
        Assert.True(channel.IsClosed);
    }

    [Fact]
    public void A_stop_waits_no_longer_than_it_may()
    {
        Subscription served = ServeLive(new AmqpConsumerOptions { StopTimeout = S(3) });
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Lasting);
        _bench.Post(new ConsumerCommand.Stop(served));
        _bench.Post(new BrokerSignal.ConsumerCancelled(channel.Incarnation, ByBroker: false));
        _bench.Post(Reply(served, 1), new ConsumerCommand.End(served));
        _bench.Wait(S(2.9));
        Assert.False(served.Ended.HasEnded);
        _bench.Wait(S(0.2));
        Assert.True(served.Ended.HasEnded);
        Assert.Equal(0, _bench.Credit.Messages);
    }

    [Fact]
    public void A_stop_ends_with_the_link()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Lasting);
        _bench.Post(new ConsumerCommand.Stop(served));
        _bench.Post(new BrokerSignal.ConsumerCancelled(channel.Incarnation, ByBroker: false));
        _bench.Post(Reply(served, 1), new ConsumerCommand.End(served));
        _bench.LoseLink();
        Assert.True(served.Ended.HasEnded);
        Assert.Empty(_server.Failed); // its request comes again, to another server
    }

    [Fact]
    public void A_reply_whose_channel_is_gone_is_dropped_and_gives_its_credit_back()
    {
        Subscription served = ServeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        Deliver(channel, 1, Made);
        _bench.Closed(channel, ByBroker(541, "INTERNAL_ERROR"));
        _bench.Post(Reply(served, 1));
        Assert.Empty(channel.Order);
        Assert.Equal(1, _bench.Actor.StaleSettlements);
        Assert.Equal(0, _bench.Credit.Messages);
    }

    private Subscription ServeLive(AmqpConsumerOptions? options = null)
    {
        _bench.Open();
        var served = new Subscription("work", options ?? new AmqpConsumerOptions(), NoThread, _ => NewPump())
        {
            Serves = _server.NewChannel,
            TakesUnreadable = true,
        };
        _bench.Post(new ConsumerCommand.Consume(served));
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        return served;
    }

    // The channel that took the place of one that was closed.
    private FakeLink.Channel Again()
    {
        _bench.Wait(S(1));
        FakeLink.Channel channel = _bench.Link.Consumer;
        _bench.Opened(channel);
        _bench.Started(channel);
        return channel;
    }

    private void Deliver(FakeLink.Channel channel, ulong tag, string replyTo, bool redelivered = false)
        => _bench.Post(new BrokerSignal.Delivered(channel.Incarnation, tag, redelivered,
            new AmqpMessage { ReplyTo = replyTo, CorrelationId = $"{tag}" }));

    private void Acked(FakeLink.Channel channel, ulong sequence)
        => _bench.Post(new BrokerSignal.Acked(channel.Incarnation, sequence, Multiple: false));

    /// <param name="served">Whose request.</param>
    /// <param name="number">Which of those that came, from 1.</param>
    private ConsumerCommand.Settle Reply(Subscription served, int number)
    {
        AmqpDelivery request = Received(served)[number - 1];
        Assert.True(_bench.Credit.TryTake(0));
        string replyTo = request.Message.ReplyTo!;
        request.Reply = new ReplyJob(_server, request, new AmqpMessage
        {
            RoutingKey = replyTo,
            CorrelationId = request.Message.CorrelationId,
            Mandatory = replyTo != Direct,
        }, _bench.Now, _bench.Now + S(30).Ticks, _bench.Credit)
        {
            OutlivesCaller = replyTo == Lasting,
        };
        return new ConsumerCommand.Settle(served, request, AmqpSettlement.Ack);
    }

    private static ConsumerCommand.Settle Settle(Subscription served, int number, AmqpSettlement settlement)
        => new(served, Received(served)[number - 1], settlement);

    private sealed class Server : RequestServer
    {
        internal List<AmqpDelivery> Remembered { get; } = [];

        internal List<Exception> Failed { get; } = [];

        internal override void Remember(AmqpDelivery request, Exception refusal) => Remembered.Add(request);

        internal override void TellOfLostReply(string queue, Exception error) => Failed.Add(error);

        internal override void Ended(ReplyJob reply, Exception? error)
        {
            if (error is not null && !reply.IsLost)
                Failed.Add(error);
        }
    }
}
