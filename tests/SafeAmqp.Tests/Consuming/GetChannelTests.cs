using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Tests.Actor;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Consuming;

public sealed class GetChannelTests
{
    private readonly ActorBench _bench = new(new ActorSettings { Name = "receive", Publishes = false });

    private FakeLink.Channel Newest => _bench.Link.Channels[^1];

    [Theory, InlineData(AmqpSettlement.Ack), InlineData(AmqpSettlement.Requeue), InlineData(AmqpSettlement.Reject)]
    public async Task A_message_is_settled_on_the_channel_that_it_came_on_which_closes_then(AmqpSettlement settlement)
    {
        _bench.Open();
        GetJob.Begin job = Get();
        _bench.Opened(Newest);
        FakeLink.Channel channel = Newest;
        Assert.Equal(["work"], channel.Got);
        _bench.Delivered(channel, 1);
        AmqpDelivery got = (await job.Completion.Task)!;
        _bench.Wait(S(1000)); // no deadline counts any more
        Assert.False(channel.IsClosed);
        Assert.Equal(AmqpSettleResult.Settled, got.Settle(settlement));
        Assert.Equal(AmqpSettleResult.AlreadySettled, got.Settle(AmqpSettlement.Ack));
        Assert.Equal([(1UL, false, settlement)], channel.Settled);
        Assert.True(channel.IsClosed);
        Assert.Equal(0, _bench.Actor.StaleSettlements);
    }

    [Fact]
    public async Task Nothing_to_get_ends_it_and_its_channel()
    {
        _bench.Open();
        GetJob.Begin job = Get();
        _bench.Opened(Newest);
        _bench.Post(new BrokerSignal.FoundEmpty(Newest.Incarnation));
        Assert.Null(await job.Completion.Task);
        Assert.True(Newest.IsClosed);
    }

    [Fact]
    public async Task A_refusal_ends_it_alone_and_says_why()
    {
        _bench.Open();
        Subscription other = _bench.SubscribeLive();
        GetJob.Begin kept = Get(), refused = Get();
        FakeLink.Channel[] channels = [.. _bench.Link.Channels.TakeLast(2)];
        foreach (FakeLink.Channel channel in channels)
            _bench.Opened(channel);
        _bench.Delivered(channels[0], 1);
        AmqpDelivery delivery = (await kept.Completion.Task)!;
        _bench.Closed(channels[1], ByBroker(404, "NOT_FOUND - no queue 'work'"));
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(async () => await refused.Completion.Task);
        Assert.Equal((404, "queue 'work'"), (error.ReplyCode, error.Entity));
        Assert.False(delivery.Lost.IsCancellationRequested);
        Assert.Equal(AmqpConsumerState.Live, other.State);
    }

    [Fact]
    public async Task It_waits_for_a_link_and_is_not_asked_again_on_the_next()
    {
        GetJob.Begin job = Get();
        Assert.Empty(_bench.Link.Channels);
        _bench.Connect();
        FakeLink.Channel asked = Newest;
        _bench.Opened(_bench.Link.Channels[0]);
        _bench.Opened(asked);
        Assert.Single(asked.Got);
        _bench.Reopen();
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(async () => await job.Completion.Task);
        Assert.Contains("reset", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(_bench.Link.Channels, channel => channel.Epoch == 2 && channel.Got.Count > 0);
    }

    [Fact]
    public async Task Without_a_link_or_an_answer_it_ends_at_its_deadline()
    {
        GetJob.Begin early = Get();
        _bench.Wait(S(30));
        await Assert.ThrowsAsync<AmqpTopologyException>(async () => await early.Completion.Task);
        _bench.Open();
        GetJob.Begin late = Get();
        _bench.Opened(Newest);
        _bench.Wait(S(30));
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(async () => await late.Completion.Task);
        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.True(Newest.IsClosed); // what comes for it goes back
    }

    [Fact]
    public void What_comes_for_a_caller_that_has_left_goes_back()
    {
        _bench.Open();
        GetJob.Begin job = Get(), other = Get();
        FakeLink.Channel[] channels = [.. _bench.Link.Channels.TakeLast(2)];
        _bench.Opened(channels[0]);
        Assert.True(job.Completion.TryFail(new OperationCanceledException()));
        _bench.Delivered(channels[0], 1);
        Assert.True(channels[0].IsClosed);
        Assert.Empty(channels[0].Settled);
        _bench.Post(new GetJob.GiveUp(other));
        Assert.True(channels[1].IsClosed);
    }

    [Fact]
    public async Task A_message_that_cannot_be_read_stays_in_its_queue()
    {
        _bench.Open();
        GetJob.Begin job = Get();
        _bench.Opened(Newest);
        _bench.Post(new BrokerSignal.Delivered(Newest.Incarnation, 1, IsRedelivered: false, new AmqpMessage(),
            new DeliveryFlaw("it is too odd")));
        var error = await Assert.ThrowsAsync<AmqpPoisonException>(async () => await job.Completion.Task);
        Assert.Contains("too odd", error.Message, StringComparison.Ordinal);
        Assert.True(Newest.IsClosed);
        Assert.Empty(Newest.Settled);
    }

    [Fact]
    public async Task A_lost_link_loses_the_message_and_its_settlement_names_no_other()
    {
        _bench.Open();
        GetJob.Begin job = Get();
        _bench.Opened(Newest);
        _bench.Delivered(Newest, 1);
        AmqpDelivery got = (await job.Completion.Task)!;
        _bench.Reopen();
        Assert.True(got.Lost.IsCancellationRequested);
        got.Settle(AmqpSettlement.Ack);
        Assert.All(_bench.Link.Channels, channel => Assert.Empty(channel.Settled));
        Assert.Equal(1, _bench.Actor.StaleSettlements);
    }

    [Fact]
    public async Task Beyond_the_channels_of_the_connection_it_is_refused_at_once()
    {
        _bench.Post(new ActorCommand.Start());
        _bench.Post(new BrokerSignal.Connected(_bench.Actor.Epoch, "broker:5672", ChannelMax: 2));
        _bench.Opened(_bench.Link.Admin);
        GetJob.Begin first = Get(), second = Get();
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(async () => await second.Completion.Task);
        Assert.Contains("channel_max 2", error.Message, StringComparison.Ordinal);
        Assert.False(first.Completion.HasEnded);
    }

    private GetJob.Begin Get()
    {
        var job = new GetJob.Begin("work", _bench.Now + S(20).Ticks, (from, delivery, settlement) =>
        {
            _bench.Post(new GetJob.Settle(from, delivery, settlement));
            return true;
        });
        _bench.Post(job);
        return job;
    }
}
