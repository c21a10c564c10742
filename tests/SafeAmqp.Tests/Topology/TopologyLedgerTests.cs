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

    public static TheoryData<object?, object?> Unlike => new()
    {
        { "pdf", "zip" },
        { 1, "1" },
        { 1, 1L }, // RabbitMQ keeps both
        { 1, true },
        { null, "" },
        { new byte[] { 1 }, new byte[] { 2 } },
        { new List<object?> { 1, 2 }, new List<object?> { 2, 1 } },
        { new Dictionary<string, object?> { ["a"] = 1 }, new Dictionary<string, object?> { ["a"] = 2 } },
        { new Dictionary<string, object?> { ["a"] = 1 }, new Dictionary<string, object?> { ["b"] = 1 } },
        { 1.5, 1.5m },
        { "a", "A" },
    };

    [Theory]
    [MemberData(nameof(Unlike), DisableDiscoveryEnumeration = true)]
    public void Bindings_that_differ_in_an_argument_are_two(object? one, object? other)
    {
        Remember(Match(("k", one)), Match(("k", other)), Match(), Match(("k", one), ("l", 1)));
        Assert.Equal(4, _ledger.ForLink(true).Count);
        Remember(Match(("k", one)), Match(("k", other)), Match(), Match(("l", 1), ("k", one)));
        Assert.Equal(4, _ledger.ForLink(true).Count);
    }

    [Fact]
    public void Bindings_with_the_same_arguments_are_one_whatever_holds_them()
    {
        Remember(Match(
            ("a", new byte[] { 1, 2 }),
            ("b", new List<object?> { 1, new byte[] { 3 } }),
            ("c", new Dictionary<string, object?> { ["d"] = 1.0 })));
        Remember(Match(
            ("c", new SortedDictionary<string, object?> { ["d"] = 1.0 }.AsReadOnly()),
            ("b", new object?[] { 1, new byte[] { 3 } }),
            ("a", new byte[] { 1, 2 })));
        Assert.Single(_ledger.ForLink(true));
        Remember(Bind("x", "a"), new TopologyItem.Binding(
            new AmqpBinding { Exchange = "x", Queue = "a", Arguments = new Dictionary<string, object?>() }));
        Assert.Equal(2, _ledger.ForLink(true).Count); // none are as good as an empty table
    }

    [Fact]
    public void Names_that_read_alike_in_a_message_are_told_apart()
    {
        Remember(Bind("x", "a' with key 'b", "c"), Bind("x", "a", "b' with key 'c"));
        Assert.Equal(2, _ledger.ForLink(true).Count);
    }

    private static TopologyItem.Binding Match(params (string, object?)[] arguments)
        => new(new AmqpBinding { Exchange = "docs", Queue = "q", Arguments = arguments.ToDictionary() });

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
        var (shared, exclusive) = _ledger.Split<TopologyItem>(
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

    [Fact]
    public void A_message_waits_for_what_any_of_its_routing_keys_and_any_alternate_exchange_could_bring_it_to()
    {
        var alternate = new AmqpExchange
        {
            Name = "x",
            Arguments = new Dictionary<string, object?> { ["alternate-exchange"] = "rest" },
        };
        Remember(new TopologyItem.Exchange(alternate), Exchange("rest"), Bind("x", "own", "b"), Bind("rest", "own"));
        _ledger.Begin([Queue("own", exclusive: true)]);

        Assert.NotNull(_ledger.Awaited(To("", "own")));
        Assert.NotNull(_ledger.Awaited(To("", "a", "CC", "own")));
        Assert.NotNull(_ledger.Awaited(To("x", "a", "BCC", "b")));
        Assert.NotNull(_ledger.Awaited(To("x", ""))); // by way of its alternate exchange
        Assert.Null(_ledger.Awaited(To("", "a", "CC", "other")));
        Assert.Null(_ledger.Awaited(To("", "a", "cc", "own")));

        static AmqpMessage To(string exchange, string key, string header = "CC", params string[] keys) => new()
        {
            Exchange = exchange,
            RoutingKey = key,
            Headers = new Dictionary<string, object?> { [header] = keys },
        };
    }

    [Theory]
    [InlineData((byte)30)]
    [InlineData((sbyte)30)]
    [InlineData((short)30)]
    [InlineData((ushort)30)]
    [InlineData(30)]
    [InlineData(30u)]
    [InlineData(30L)]
    [InlineData(30ul)]
    public void Times_in_a_queues_arguments_are_read_whatever_kind_of_integer_they_are(object milliseconds)
    {
        var queue = new AmqpQueue
        {
            Name = "q",
            Arguments = new Dictionary<string, object?>
            {
                ["x-expires"] = milliseconds,
                ["x-consumer-timeout"] = milliseconds,
            },
        };
        Assert.Equal(TimeSpan.FromMilliseconds(30), queue.Expiry);
        Assert.Equal(TimeSpan.FromMilliseconds(30), queue.ConsumerTimeout);
    }

    [Fact]
    public void A_look_at_an_entity_changes_nothing_of_its_declaration()
    {
        var look = new TopologyItem.Queue(new AmqpQueue { Name = "mine", Passive = true });
        Remember(Exchange("x"), Queue("mine", exclusive: true), Bind("x", "mine"));
        Remember(look, new TopologyItem.Exchange(new AmqpExchange { Name = "x", Passive = true }));
        Assert.Empty(_ledger.Forget(look));
        Assert.Equal(3, _ledger.ForLink(true).Count);
        Assert.All(_ledger.ForLink(true).OfType<TopologyItem>(), item => Assert.False(item.IsPassive));
        Assert.Equal([look], _ledger.Split<TopologyItem>([look]).Item2); // asked where it may be seen

        Remember(new TopologyItem.Queue(new AmqpQueue { Name = "other", Passive = true }));
        Remember(Queue("other"));
        Assert.False(_ledger.QueueNamed("other")!.Passive);
    }

    private static IEnumerable<string> Keys(IEnumerable<AdminRequest> requests)
        => requests.Select(request => request.Key);

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
