using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Tests.Actor;
using static SafeAmqp.Tests.Actor.ActorBench;

namespace SafeAmqp.Tests.Consuming;

public sealed class PoisonTests
{
    private readonly ActorBench _bench = new(new ActorSettings { Name = "receive", Publishes = false });

    private void LoseLinkOver(FakeLink.Channel channel, string rule = "TableDepth", ulong size = 3)
        => _bench.Post(new BrokerSignal.LinkLost(
            _bench.Actor.Epoch, new CloseReason(0, "the peer nested tables more than 64 deep.", ByBroker: false)
            {
                Suspect = new PoisonSuspect(channel.Incarnation, rule, size),
            }));

    private FakeLink.Channel NextConsumer(Subscription subscription)
    {
        _bench.Wait(S(5));
        _bench.Connected();
        _bench.Opened(_bench.Link.Admin);
        foreach (FakeLink.Channel channel in _bench.Link.Channels
            .Where(channel => channel.Prefetch != 0 && channel.Epoch == _bench.Actor.Epoch).ToArray())
        {
            _bench.Opened(channel);
            _bench.Started(channel);
        }
        Assert.Equal(AmqpConsumerState.Live, subscription.State);
        return _bench.Link.Channels.Last(
            channel => channel.Consumed.Any(consumed => consumed.Queue == subscription.Queue));
    }

    [Fact]
    public void A_message_that_ended_the_link_twice_stops_its_consumer_and_no_other()
    {
        _bench.Open();
        Subscription other = _bench.SubscribeLive("other"), poisoned = _bench.SubscribeLive("poisoned");
        LoseLinkOver(_bench.Link.Consumer);
        Assert.Equal(AmqpConsumerState.Recovering, poisoned.State);
        FakeLink.Channel second = NextConsumer(poisoned);
        LoseLinkOver(second);

        Assert.Equal(AmqpConsumerState.Stopped, poisoned.State);
        Assert.Contains(
            "a message in queue 'poisoned' ended the link twice", poisoned.LastError, StringComparison.Ordinal);
        AmqpPoisonException error = poisoned.Poisoned.Value();
        Assert.Equal("poisoned", error.Queue);
        Assert.Contains("nested tables", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Status);

        NextConsumer(other);
        Assert.Equal(AmqpLinkState.Open, _bench.Actor.State);
        Assert.DoesNotContain(_bench.Link.Channels, channel => channel.Epoch == _bench.Actor.Epoch
            && channel.Consumed.Any(consumed => consumed.Queue == "poisoned"));
    }

    [Theory]
    [InlineData("TableDepth", 4)]
    [InlineData("FieldType", 3)]
    public void Another_message_that_ends_the_link_begins_the_count_anew(string rule, int size)
    {
        _bench.Open();
        Subscription subscription = _bench.SubscribeLive();
        LoseLinkOver(_bench.Link.Consumer);
        LoseLinkOver(NextConsumer(subscription), rule, (ulong)size);
        Assert.Equal(AmqpConsumerState.Recovering, subscription.State);
        LoseLinkOver(NextConsumer(subscription)); // the first one again
        Assert.Equal(AmqpConsumerState.Stopped, subscription.State);
    }

    [Fact]
    public void A_link_that_is_lost_for_other_reasons_between_does_not_forget_and_does_not_count()
    {
        _bench.Open();
        Subscription subscription = _bench.SubscribeLive();
        LoseLinkOver(_bench.Link.Consumer);
        for (int i = 0; i < 5; i++)
        {
            NextConsumer(subscription);
            _bench.LoseLink();
        }
        Assert.Equal(AmqpConsumerState.Recovering, subscription.State);
        LoseLinkOver(NextConsumer(subscription));
        Assert.Equal(AmqpConsumerState.Stopped, subscription.State);
    }

    [Fact]
    public void A_suspect_on_a_channel_of_an_earlier_link_does_no_harm()
    {
        _bench.Open();
        Subscription subscription = _bench.SubscribeLive();
        FakeLink.Channel first = _bench.Link.Consumer;
        LoseLinkOver(first);
        NextConsumer(subscription);
        LoseLinkOver(first);
        Assert.Equal(AmqpConsumerState.Recovering, subscription.State);
        NextConsumer(subscription);
    }

    [Fact]
    public void A_consumer_that_was_stopped_over_a_message_can_be_stopped_by_its_holder_too()
    {
        _bench.Open();
        Subscription subscription = _bench.SubscribeLive();
        LoseLinkOver(_bench.Link.Consumer);
        LoseLinkOver(NextConsumer(subscription));
        _bench.Post(new ConsumerCommand.Stop(subscription), new ConsumerCommand.End(subscription));
        Assert.Equal(("done", "done"), (subscription.Quiet.Ended(), subscription.Ended.Ended()));
    }
}
