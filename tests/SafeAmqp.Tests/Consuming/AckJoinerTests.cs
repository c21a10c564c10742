using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Tests.Actor;

namespace SafeAmqp.Tests.Consuming;

public sealed class AckJoinerTests
{
    private readonly AckJoiner _acks = new();
    private readonly FakeLink _link = new();

    public AckJoinerTests() => _link.OpenChannel(1, 1, confirms: false, prefetch: 10);

    private List<(ulong Tag, bool Multiple, AmqpSettlement Settlement)> Sent => _link[1].Settled;

    [Fact]
    public void One_ack_goes_singly_and_several_without_a_gap_as_one()
    {
        Deliver(4);
        _acks.Ack(1);
        _acks.Flush(_link, 1);
        _acks.Ack(3);
        _acks.Ack(2);
        _acks.Flush(_link, 1);
        Assert.Equal([(1UL, false, AmqpSettlement.Ack), (3UL, true, AmqpSettlement.Ack)], Sent);
        Assert.Equal(1, _acks.Unsettled);
    }

    [Fact]
    public void Beyond_a_gap_acks_go_singly_and_are_not_sent_again_when_the_gap_closes()
    {
        Deliver(5);
        foreach (ulong tag in (ulong[])[2, 4, 5])
            _acks.Ack(tag);
        _acks.Flush(_link, 1);
        Assert.Equal([2UL, 4UL, 5UL], Sent.Select(sent => sent.Tag).Order());
        Assert.All(Sent, sent => Assert.False(sent.Multiple));
        Sent.Clear();
        _acks.Ack(1);
        _acks.Ack(3);
        _acks.Flush(_link, 1);
        Assert.Equal((3UL, true, AmqpSettlement.Ack), Assert.Single(Sent));
        Assert.Equal(0, _acks.Unsettled);
    }

    [Fact]
    public void A_delivery_out_of_order_is_refused()
    {
        Assert.True(_acks.Delivered(1));
        Assert.False(_acks.Delivered(1));
        Assert.False(_acks.Delivered(3));
        Assert.True(_acks.Delivered(2));
        _acks.Reset();
        Assert.True(_acks.Delivered(1));
    }

    [Fact]
    public void Without_a_channel_what_was_gathered_is_dropped()
    {
        Deliver(2);
        _acks.Ack(1);
        _acks.Flush(_link, incarnation: 0);
        _acks.Flush(_link, 1);
        Assert.Empty(Sent);
    }

    [Fact]
    public void The_broker_never_sees_an_unknown_tag_and_each_delivery_is_settled_exactly_once_as_asked()
    {
        long joined = 0;
        for (int seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var acks = new AckJoiner();
            var broker = new StrictBroker();
            var open = new List<ulong>();
            ulong next = 1;
            for (int step = 0; step < 400 || open.Count > 0; step++)
            {
                int move = random.Next(step < 400 ? 4 : 3);
                if (move == 3)
                {
                    for (int i = random.Next(1, 100); i > 0; i--)
                    {
                        Assert.True(acks.Delivered(next));
                        broker.Unsettled.Add(next);
                        open.Add(next++);
                    }
                }
                else if (move == 2)
                {
                    acks.Flush(broker, 1);
                }
                else if (open.Count > 0)
                {
                    ulong tag = open[random.Next(3) == 0 ? random.Next(open.Count) : 0];
                    open.Remove(tag);
                    AmqpSettlement settlement = random.Next(6) switch
                    {
                        0 => AmqpSettlement.Requeue,
                        1 => AmqpSettlement.Reject,
                        _ => AmqpSettlement.Ack
                    };
                    broker.Asked[tag] = settlement;
                    if (settlement == AmqpSettlement.Ack)
                        acks.Ack(tag);
                    else
                        acks.Settle(broker, 1, tag, settlement);
                }
                if (move == 2)
                    Assert.Equal(open.Count, acks.Unsettled);
            }
            acks.Flush(broker, 1);
            Assert.Empty(broker.Unsettled);
            Assert.Equal((0, (int)next - 1), (acks.Unsettled, broker.Count));
            joined += broker.Joined;
        }
        Assert.True(joined > 5_000);
    }

    private void Deliver(int count)
    {
        for (int tag = 1; tag <= count; tag++)
            Assert.True(_acks.Delivered((ulong)tag));
    }

    /// <summary>Answers an unknown tag as RabbitMQ does, and wants each settlement to be the one asked for.</summary>
    private sealed class StrictBroker : IBrokerLink
    {
        internal SortedSet<ulong> Unsettled { get; } = [];
        internal Dictionary<ulong, AmqpSettlement> Asked { get; } = [];
        internal int Count { get; private set; }
        internal int Joined { get; private set; }

        public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
        {
            Assert.True(Unsettled.Contains(tag), $"unknown delivery tag {tag}");
            foreach (ulong one in multiple ? [.. Unsettled.GetViewBetween(0, tag)] : (List<ulong>)[tag])
            {
                Unsettled.Remove(one);
                Assert.Equal(Asked[one], settlement);
                Count++;
                Joined += multiple ? 1 : 0;
            }
        }

        public string Connect(int epoch, TimeSpan within) => throw new InvalidOperationException();
        public void Abandon(int epoch, bool politely) => Assert.Fail();
        public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch) => Assert.Fail();
        public void CloseChannel(long incarnation) => Assert.Fail();
        public PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal)
            => throw new InvalidOperationException();
        public void Ask(long incarnation, AdminRequest request) => Assert.Fail();
        public void Consume(long incarnation, ConsumeRequest request) => Assert.Fail();
        public void CancelConsumer(long incarnation) => Assert.Fail();
        public void Get(long incarnation, string queue) => Assert.Fail();

        public void Confirm(long incarnation) => Assert.Fail();
        public void Flush() => Assert.Fail();
        public LinkTraffic Traffic(int epoch) => default;
    }
}
