using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Tests.Actor;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Consuming;

public sealed class ConsumerChannelTests
{
    private readonly ActorBench _bench = new(new ActorSettings { Name = "receive", Publishes = false });

    [Fact]
    public void Acks_of_one_batch_go_as_one_up_to_the_first_gap()
    {
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        for (ulong tag = 1; tag <= 5; tag++)
            _bench.Delivered(channel, tag);
        _bench.Post([.. new[] { 2, 1, 5 }.Select(tag => Settle(subscription, tag, AmqpSettlement.Ack))]);
        Assert.Equal([(2UL, true, AmqpSettlement.Ack), (5UL, false, AmqpSettlement.Ack)], channel.Settled);
        Assert.Equal(2, subscription.Unsettled);
    }

    [Fact]
    public void A_consumer_tag_goes_to_the_broker_on_each_link()
    {
        _bench.Open();
        Subscription subscription = _bench.Subscribe(options: new AmqpConsumerOptions { ConsumerTag = "orders-1" });
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        _bench.Reopen();
        _bench.Opened(_bench.Link.Consumer);
        Assert.Equal(["orders-1", "orders-1"],
            _bench.Link.Channels.SelectMany(channel => channel.Consumed).Select(request => request.Tag));
        Assert.Equal("orders-1", subscription.Status.ConsumerTag);
        _bench.Subscribe("other");
        _bench.Opened(_bench.Link.Consumer);
        Assert.Equal($"safeamqp-{_bench.Link.Consumer.Incarnation}", _bench.Link.Consumer.Consumed[0].Tag);
    }

    [Fact]
    public void A_consumer_tag_that_AMQP_cannot_carry_is_refused()
    {
        foreach (string tag in (string[])["", new string('a', 256), new string('ä', 128)])
        {
            var error = Assert.ThrowsAny<ArgumentException>(
                () => new AmqpConsumerOptions { ConsumerTag = tag }.Validated());
            Assert.Equal("ConsumerTag", error.ParamName);
        }
        new AmqpConsumerOptions { ConsumerTag = new string('a', 255) }.Validated();
    }

    [Fact]
    public void A_settlement_after_the_channel_is_gone_is_counted_and_settles_no_other_delivery()
    {
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        _bench.Delivered(_bench.Link.Consumer, 1);
        AmqpDelivery old = Received(subscription)[0];
        _bench.Reopen();
        Assert.True(old.Lost.IsCancellationRequested);
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        _bench.Delivered(_bench.Link.Consumer, 1);
        _bench.Post(
            new ConsumerCommand.Settle(subscription, old, AmqpSettlement.Ack),
            new ConsumerCommand.Settle(subscription, old, AmqpSettlement.Requeue));
        Assert.Empty(_bench.Link.Consumer.Settled);
        Assert.Equal(2, _bench.Actor.StaleSettlements);
        Assert.False(Received(subscription)[1].Lost.IsCancellationRequested);
    }

    [Fact]
    public void An_ack_that_was_gathered_when_the_channel_closed_is_not_sent_on_the_next_and_nothing_is_unsettled()
    {
        _bench.Random = 0;
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        FakeLink.Channel first = _bench.Link.Consumer;
        _bench.Delivered(first, 1);
        _bench.Post(
            Settle(subscription, 1, AmqpSettlement.Ack),
            new BrokerSignal.ChannelClosed(first.Incarnation, ByBroker(541, "oops")));
        Assert.Equal(0, subscription.Unsettled); // it comes again, perhaps elsewhere
        _bench.Wait(S(1));
        FakeLink.Channel second = _bench.Link.Consumer;
        Assert.NotSame(first, second);
        _bench.Opened(second);
        _bench.Started(second);
        _bench.Delivered(second, 1);
        _bench.Wait(S(1));
        Assert.Empty(first.Settled);
        Assert.Empty(second.Settled);
    }

    [Fact]
    public void On_a_link_with_fewer_channels_the_oldest_consumers_come_back_and_the_others_when_one_of_them_ends()
    {
        _bench.Open();
        Subscription first = _bench.SubscribeLive("first"), second = _bench.SubscribeLive("second");
        _bench.LoseLink();
        _bench.Wait(S(5));
        _bench.Post(new BrokerSignal.Connected(_bench.Actor.Epoch, "broker:5672", ChannelMax: 2)); // one is kept free
        _bench.Opened(_bench.Link.Admin);
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        int channels = _bench.Link.Channels.Count;
        _bench.Wait(S(10));
        Assert.Equal(channels, _bench.Link.Channels.Count);
        Assert.Equal((AmqpConsumerState.Live, AmqpConsumerState.Recovering), (first.State, second.State));
        Assert.Contains("no channel left: channel_max 2, 1 consumers", second.LastError, StringComparison.Ordinal);

        _bench.Closed(_bench.Link.Consumer, ByBroker(541, "oops"));
        Subscription third = _bench.Subscribe("third");
        Assert.Contains("no channel left", third.Started.Error().Message, StringComparison.Ordinal);
        _bench.Wait(S(10));
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        Assert.Equal((AmqpConsumerState.Live, AmqpConsumerState.Recovering), (first.State, second.State));

        _bench.Post(new ConsumerCommand.End(first));
        _bench.Wait(S(10));
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        Assert.Equal(AmqpConsumerState.Live, second.State);
    }

    [Fact]
    public void A_consumer_that_is_stopping_is_not_started_again_on_the_next_link()
    {
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        FakeLink.Channel first = _bench.Link.Consumer;
        _bench.Post(new ConsumerCommand.Stop(subscription));
        Assert.True(first.IsCancelled);
        _bench.Reopen(); // its handlers still run
        Assert.Equal("done", subscription.Quiet.Ended());
        Assert.Same(first, _bench.Link.Consumer);
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
        _bench.Post(new ConsumerCommand.End(subscription));
        Assert.Equal("done", subscription.Ended.Ended());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_consumer_that_is_stopped_while_it_starts_receives_nothing(bool channelIsOpen)
    {
        _bench.Open();
        var subscription = _bench.Subscribe();
        FakeLink.Channel channel = _bench.Link.Consumer;
        if (channelIsOpen)
            _bench.Opened(channel);
        _bench.Post(new ConsumerCommand.Stop(subscription));
        Assert.Equal("done", subscription.Quiet.Ended());
        Assert.True(channel.IsClosed);
        _bench.Opened(channel);
        _bench.Started(channel);
        _bench.Delivered(channel, 1);
        Assert.Empty(Received(subscription));
        Assert.Equal(channelIsOpen ? 1 : 0, channel.Consumed.Count);
    }

    [Fact]
    public void The_wait_for_a_consumer_to_start_ends_when_it_is_stopped_instead()
    {
        _bench.Post(new ActorCommand.Start());
        var subscription = _bench.Subscribe();
        _bench.Post(new ConsumerCommand.Stop(subscription), new ConsumerCommand.End(subscription));
        Assert.Equal(
            ("ObjectDisposedException", "done", "done"),
            (subscription.Started.Ended(), subscription.Quiet.Ended(), subscription.Ended.Ended()));
    }

    [Fact]
    public void Stopping_waits_for_the_broker_and_takes_what_came_before_its_answer()
    {
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        _bench.Post(new ConsumerCommand.Stop(subscription));
        _bench.Delivered(channel, 1);
        Assert.Equal("pending", subscription.Quiet.Ended());
        _bench.Post(new BrokerSignal.ConsumerCancelled(channel.Incarnation, ByBroker: false));
        Assert.Equal("done", subscription.Quiet.Ended());
        _bench.Post(Settle(subscription, 1, AmqpSettlement.Ack), new ConsumerCommand.End(subscription));
        Assert.Equal((1UL, false, AmqpSettlement.Ack), Assert.Single(channel.Settled));
        Assert.True(channel.IsClosed);
    }

    [Fact]
    public void A_cancel_that_the_broker_does_not_answer_ends_all_the_same()
    {
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        _bench.Link.LastTraffic = new LinkTraffic(TimeSpan.FromHours(1).Ticks, null);
        _bench.Post(new ConsumerCommand.Stop(subscription));
        _bench.Wait(Ms(30_050));
        Assert.Equal("done", subscription.Quiet.Ended());
    }

    [Fact]
    public void A_consumer_that_the_broker_refuses_at_once_is_told_to_its_caller_and_forgotten()
    {
        _bench.Open();
        var subscription = _bench.Subscribe();
        _bench.Opened(_bench.Link.Consumer);
        _bench.Closed(_bench.Link.Consumer, ByBroker(404, "NOT_FOUND - no queue 'work'"));
        var error = Assert.IsType<AmqpTopologyException>(subscription.Started.Error());
        Assert.Equal((404, "queue 'work'"), (error.ReplyCode, error.Entity));
        int channels = _bench.Link.Channels.Count;
        _bench.Wait(S(60));
        Assert.Equal(channels, _bench.Link.Channels.Count);
    }

    [Fact]
    public void A_consumer_that_is_not_confirmed_in_time_is_told_to_its_caller()
    {
        _bench.Post(new ActorCommand.Start());
        var subscription = _bench.Subscribe();
        _bench.Wait(Ms(29_900));
        Assert.Equal("pending", subscription.Started.Ended());
        _bench.Wait(Ms(200));
        Assert.IsType<TimeoutException>(subscription.Started.Error().InnerException);
    }

    [Fact]
    public void A_running_consumer_that_the_broker_cancels_gets_its_queue_back_and_consumes_again()
    {
        _bench.Open();
        _bench.Declare(S(5), "work");
        _bench.Answered(_bench.Link.Admin);
        var subscription = _bench.SubscribeLive();
        FakeLink.Channel first = _bench.Link.Consumer;
        _bench.Delivered(first, 1);
        _bench.Post(new BrokerSignal.ConsumerCancelled(first.Incarnation, ByBroker: true));
        Assert.True(Received(subscription)[0].Lost.IsCancellationRequested);
        Assert.Equal(AmqpConsumerState.Recovering, subscription.State);
        Assert.Equal(2, _bench.Link.Admin.Asked.Count);
        _bench.Answered(_bench.Link.Admin);
        _bench.Wait(S(1));
        _bench.Opened(_bench.Link.Consumer);
        _bench.Started(_bench.Link.Consumer);
        Assert.Equal(AmqpConsumerState.Live, subscription.State);
        Assert.NotSame(first, _bench.Link.Consumer);
    }

    [Fact]
    public void A_delivery_out_of_order_costs_the_channel()
    {
        _bench.Open();
        var subscription = _bench.SubscribeLive();
        FakeLink.Channel channel = _bench.Link.Consumer;
        _bench.Delivered(channel, 2);
        Assert.Empty(Received(subscription));
        Assert.True(channel.IsClosed);
    }

    [Fact]
    public void Prefetch_priority_and_arguments_go_with_the_consumer()
    {
        _bench.Open();
        _bench.Subscribe("work", new AmqpConsumerOptions
        {
            Prefetch = 7,
            Priority = 5,
            Exclusive = true,
            Arguments = new Dictionary<string, object?> { ["x-stream-offset"] = "first" }
        });
        FakeLink.Channel channel = _bench.Link.Consumer;
        Assert.Equal(7, channel.Prefetch);
        _bench.Opened(channel);
        var request = Assert.Single(channel.Consumed);
        Assert.Equal(("work", false, true), (request.Queue, request.NoAck, request.Exclusive));
        Assert.Equal(
            new Dictionary<string, object?> { ["x-stream-offset"] = "first", ["x-priority"] = 5 }, request.Arguments);
    }

    private static ConsumerCommand.Settle Settle(Subscription subscription, int tag, AmqpSettlement settlement)
        => new(subscription, Received(subscription).Last(delivery => delivery.DeliveryTag == (ulong)tag), settlement);
}
