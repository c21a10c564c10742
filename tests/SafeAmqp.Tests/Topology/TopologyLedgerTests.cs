using SafeAmqp.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Topology;

public sealed class TopologyLedgerTests
{
    private readonly TopologyLedger _ledger = new();

    [Fact]
    public void Entities_are_replayed_in_the_order_in_which_they_were_first_declared_and_the_newest_declaration_counts()
    {
        Remember(Queue("a"), Exchange("x"), Bind("x", "a"));
        Remember(Queue("a", durable: false));
        Assert.Equal(
            ["queue 'a'", "exchange 'x'", "binding of exchange 'x' to queue 'a' with key ''"],
            Keys(_ledger.ForLink(true)));
        Assert.False(((TopologyItem.Queue)_ledger.ForLink(true)[0]).Value.Durable);
    }

    [Fact]
    public void Bindings_are_told_apart_by_both_ends_and_the_key()
    {
        Remember(Bind("x", "a"), Bind("x", "b"), Bind("y", "a"), Bind("x", "a", "key"), new TopologyItem.Binding(
            new AmqpBinding { Exchange = "x", ToExchange = "a" }));
        Assert.Equal(5, _ledger.ForLink(true).Count);
        Remember(Bind("x", "a"));
        Assert.Equal(5, _ledger.ForLink(true).Count);
    }

    [Fact]
    public void An_exclusive_queue_and_its_bindings_belong_to_the_link_that_consumes()
    {
        Remember(Exchange("x"), Queue("mine", exclusive: true), Queue("all"), Bind("x", "mine"), Bind("x", "all"));
        Assert.Equal(
            ["exchange 'x'", "queue 'all'", "binding of exchange 'x' to queue 'all' with key ''"],
            Keys(_ledger.ForLink(false)));
        Assert.Equal(5, _ledger.ForLink(true).Count);
    }

    [Fact]
    public void What_is_declared_together_is_split_even_when_the_queue_is_not_known_yet()
    {
        Remember(Queue("known", exclusive: true));
        var (shared, exclusive) = _ledger.Split(
            [Exchange("x"), Queue("new", exclusive: true), Bind("x", "new"), Bind("x", "known"), Bind("x", "all")]);
        Assert.Equal(["exchange 'x'", "binding of exchange 'x' to queue 'all' with key ''"], Keys(shared));
        Assert.Equal(
            [
                "queue 'new'",
                "binding of exchange 'x' to queue 'new' with key ''",
                "binding of exchange 'x' to queue 'known' with key ''"],
            Keys(exclusive));
    }

    [Fact]
    public void A_queue_is_put_back_with_its_bindings_and_their_exchanges_and_nothing_else()
    {
        Remember(Exchange("x"), Exchange("y"), Queue("a"), Queue("b"), Bind("x", "a"), Bind("y", "b"));
        Assert.Equal(
            ["exchange 'x'", "queue 'a'", "binding of exchange 'x' to queue 'a' with key ''"],
            Keys(_ledger.OfQueue("a")));
        Assert.Empty(_ledger.OfQueue("somebody else's"));
    }

    private static IEnumerable<string> Keys(IEnumerable<TopologyItem> items) => items.Select(item => item.Key);

    private static TopologyItem.Queue Queue(string name, bool exclusive = false, bool durable = true)
        => new(new AmqpQueue { Name = name, Exclusive = exclusive, Durable = durable });

    private static TopologyItem.Exchange Exchange(string name) => new(new AmqpExchange { Name = name });

    private static TopologyItem.Binding Bind(string exchange, string queue, string key = "")
        => new(new AmqpBinding { Exchange = exchange, Queue = queue, RoutingKey = key });

    private void Remember(params TopologyItem[] items)
    {
        foreach (TopologyItem item in items)
            _ledger.Remember(item);
    }
}
