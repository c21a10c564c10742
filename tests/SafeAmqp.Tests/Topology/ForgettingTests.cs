using SafeAmqp.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Topology;

public sealed class ForgettingTests
{
    private long _now;

    [Fact]
    public void An_auto_delete_queue_goes_with_its_last_consumer_and_takes_bindings_and_auto_delete_exchanges_with_it()
    {
        TopologyLedger ledger = Ledger(new AmqpTopology()
            .With(new AmqpExchange { Name = "auto", AutoDelete = true })
            .Exchange("kept", AmqpExchangeType.Direct)
            .With(new AmqpQueue { Name = "q", AutoDelete = true })
            .Bind("auto", "1").ToQueue("q").Bind("auto", "2").ToQueue("q").Bind("kept").ToQueue("q"));
        Assert.False(ledger.Used("q"));
        Assert.False(ledger.Used("q"));
        Assert.Empty(ledger.Left("q", wasLive: true));
        Assert.Equal(6, ledger.ForLink(true).Count);
        Assert.Equal(5, ledger.Left("q", wasLive: true).Count);
        Assert.Equal(["exchange 'kept'"], ledger.ForLink(true).Select(item => item.Key));
        Assert.True(ledger.Used("q"));
        Assert.Equal(6, ledger.ForLink(true).Count);
        Assert.Equal(6, ledger.OfQueue("q").Count);
    }

    [Fact]
    public void A_queue_that_no_consumer_was_ever_confirmed_for_stays()
    {
        TopologyLedger ledger = Ledger(new AmqpTopology().With(new AmqpQueue { Name = "q", AutoDelete = true }));
        ledger.Used("q");
        Assert.Empty(ledger.Left("q", wasLive: false));
        Assert.Single(ledger.ForLink(true));
    }

    [Fact]
    public void An_exchange_that_leads_to_one_that_goes_goes_too()
    {
        TopologyLedger ledger = Ledger(new AmqpTopology()
            .With(new AmqpExchange { Name = "first", AutoDelete = true })
            .With(new AmqpExchange { Name = "second", AutoDelete = true })
            .With(new AmqpBinding { Exchange = "first", ToExchange = "second" })
            .Queue("q").Bind("second").ToQueue("q"));
        ledger.Forget(new TopologyItem.Binding(new AmqpBinding { Exchange = "second", Queue = "q" }));
        Assert.Equal(["queue 'q'"], ledger.ForLink(true).Select(item => item.Key));
    }

    [Fact]
    public void What_expires_is_forgotten_after_that_time_without_use()
    {
        TopologyLedger ledger = Ledger(new AmqpTopology()
            .With(new AmqpQueue { Name = "q", Expires = TimeSpan.FromSeconds(10) })
            .With(new AmqpQueue
            {
                Name = "by argument",
                Arguments = new Dictionary<string, object?> { ["x-expires"] = 10_000 },
            }));
        ledger.Used("q");
        _now += TimeSpan.FromSeconds(20).Ticks;
        Assert.Equal(["queue 'q'"], ledger.ForLink(true).Select(item => item.Key));
        ledger.Left("q", wasLive: true);
        _now += TimeSpan.FromSeconds(9).Ticks;
        Assert.Single(ledger.ForLink(true));
        _now += TimeSpan.FromSeconds(1).Ticks;
        Assert.True(ledger.Used("q"));
        ledger.Left("q", wasLive: false);
        _now += TimeSpan.FromSeconds(10).Ticks;
        Assert.Empty(ledger.ForLink(true));
    }

    [Fact]
    public void What_is_kept_of_queues_that_are_gone_is_bounded()
    {
        var ledger = new TopologyLedger();
        for (int i = 0; i <= TopologyLedger.MaxGone; i++)
        {
            ledger.Remember(new TopologyItem.Queue(new AmqpQueue { Name = $"q{i}", AutoDelete = true }));
            ledger.Used($"q{i}");
            ledger.Left($"q{i}", wasLive: true);
        }
        Assert.False(ledger.Used("q0"));
        Assert.True(ledger.Used("q1"));
        Assert.Single(ledger.ForLink(true));
    }

    [Fact]
    public void What_is_taken_away_belongs_to_the_link_that_it_was_declared_on()
    {
        TopologyLedger ledger = Ledger(new AmqpTopology().Queue("shared")
            .With(new AmqpQueue { Name = "own", Exclusive = true }).Exchange("e", AmqpExchangeType.Fanout)
            .Bind("e").ToQueue("own"));
        AdminRequest[] deletions = [.. ledger.ForLink(true).Select(item => new AdminRequest.Deletion(item))];
        var (shared, exclusive) = ledger.Split(deletions);
        Assert.Equal((2, 2), (shared.Count, exclusive.Count));
    }

    private TopologyLedger Ledger(AmqpTopology topology)
    {
        var ledger = new TopologyLedger(() => _now);
        foreach (TopologyItem item in topology.Items)
            ledger.Remember(item);
        return ledger;
    }
}
