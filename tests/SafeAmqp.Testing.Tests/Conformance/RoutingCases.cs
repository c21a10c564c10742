namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Which queues a message reaches.</summary>
internal static class RoutingCases
{
    private static readonly (string Pattern, string[] Keys)[] Topics =
    [
        ("a.b", ["a.b", "a.c", "a", "a.b.c"]), ("*", ["", "a", "a.b"]), ("#", ["", "a", "a.b.c"]),
        ("a.*", ["a", "a.", "a.b", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c", "b.a"]), ("#.a", ["a", "b.a", "b.c.a", "a.b"]),
        ("*.a", ["a", "b.a", "b.c.a", ".a"]),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b", "a", "b"]), ("#.a.#", ["a", "x.a", "a.x", "x.a.y", "x.y"]),
        ("*.*", ["a", "a.b", ".", "a.b.c"]),
        ("#.#", ["", "a", "a.b"]), ("a.*.#", ["a", "a.b", "a.b.c"]), ("#.*", ["", "a", "a.b"]),
        ("*.#.*", ["a", "a.b", "a.b.c"]), ("", ["", "a"]),
        ("a..b", ["a..b", "a.b"]), ("a.#.#.b", ["a.b", "a.x.b"]), ("#.a.*.b.#", ["a.x.b", "a.b", "q.a.x.b.r"]),
        ("*", ["*", "#"]), ("#", ["#", "*.*"]),
    ];

    private static readonly (string Name, Dictionary<string, object?> Wanted,
        Dictionary<string, object?>[] Given)[] Headers =
    [
        ("all", new() { ["x-match"] = "all", ["a"] = "1", ["b"] = 2 }, [
            new() { ["a"] = "1", ["b"] = 2 }, new() { ["a"] = "1" }, new() { ["a"] = "1", ["b"] = 3 }, []]),
        ("any", new() { ["x-match"] = "any", ["a"] = "1", ["b"] = 2 }, [
            new() { ["a"] = "1" }, new() { ["b"] = 2 }, new() { ["c"] = 1 }, []]),
        ("no mode", new() { ["a"] = "1" }, [new() { ["a"] = "1" }, new() { ["a"] = "2" }, []]),
        ("presence", new() { ["x-match"] = "all", ["a"] = null }, [
            new() { ["a"] = "any" }, new() { ["a"] = null }, []]),
        ("types", new() { ["x-match"] = "all", ["a"] = 1 }, [
            new() { ["a"] = 1 }, new() { ["a"] = "1" }, new() { ["a"] = true }]),
        ("nothing wanted, all", new() { ["x-match"] = "all" }, [new() { ["a"] = 1 }, []]),
        ("nothing wanted, any", new() { ["x-match"] = "any" }, [new() { ["a"] = 1 }, []]),
        ("x- names, all", new() { ["x-match"] = "all", ["x-a"] = 1 }, [
            new() { ["x-a"] = 1 }, new() { ["x-a"] = 2 }, []]),
        ("x- names, any", new() { ["x-match"] = "any", ["x-a"] = 1 }, [new() { ["x-a"] = 1 }, new() { ["x-a"] = 2 }]),
        ("x- names, all-with-x", new() { ["x-match"] = "all-with-x", ["x-a"] = 1 }, [
            new() { ["x-a"] = 1 }, new() { ["x-a"] = 2 }]),
        ("x- names, any-with-x", new() { ["x-match"] = "any-with-x", ["x-a"] = 1 }, [
            new() { ["x-a"] = 1 }, new() { ["x-a"] = 2 }]),
        ("booleans", new() { ["x-match"] = "all", ["a"] = true }, [new() { ["a"] = true }, new() { ["a"] = false }]),
    ];

    public static IEnumerable<Case> All =>
    [
        .. new object?[] { "all", "any", "all-with-x", "any-with-x", "nonsense", "", 5, true, 1.5, null }.Select(mode =>
            new Case($"a headers binding that matches {mode} ({mode?.GetType().Name})", async s =>
            {
                await s.DeclareAsync();
                var arguments = new Dictionary<string, object?> { ["x-match"] = mode, ["a"] = 1 };
                await s.TryAsync(c => c.QueueBindAsync(s.Q, "amq.headers", "", arguments));
                await s.TryAsync(c => c.QueueUnbindAsync(s.Q, "amq.headers", "", arguments));
            })),
        .. Topics.Select(t => new Case(
            $"topic pattern '{t.Pattern}' with {string.Join(' ', t.Keys.Select(k => $"'{k}'"))}", async s =>
        {
            await s.DeclareAsync();
            await s.Channel.ExchangeDeclareAsync(s.X, "topic");
            await s.Channel.QueueBindAsync(s.Q, s.X, t.Pattern);
            foreach (string key in t.Keys)
                await s.PublishAsync(s.X, key, key);
            await s.DrainAsync();
        })),
        .. Headers.Select(h => new Case($"headers exchange: {h.Name}", async s =>
        {
            await s.DeclareAsync();
            await s.Channel.ExchangeDeclareAsync(s.X, "headers");
            await s.Channel.QueueBindAsync(s.Q, s.X, "", h.Wanted);
            for (int i = 0; i < h.Given.Length; i++)
                await s.PublishAsync(s.X, "", $"{i}", p => p.Headers = h.Given[i]);
            await s.DrainAsync();
        })),
        new("direct exchange", s => Bound(s, "direct", ["a", "b"], ["a", "b", "c", ""])),
        new("fanout exchange", s => Bound(s, "fanout", ["a"], ["a", "b", ""])),
        new("two bindings give one message", s => Bound(s, "topic", ["a.*", "*.b", "#"], ["a.b"])),
        new(
            "a queue's name is its key at the default exchange",
            async s => { await s.DeclareAsync(); await s.PublishAsync("", s.Q, "m"); await s.DrainAsync(); }),
        new("an exchange behind an exchange", async s =>
        {
            await Bound(s, "direct", ["k"], []);
            await s.Channel.ExchangeDeclareAsync(s.Name("front"), "topic");
            await s.Channel.ExchangeBindAsync(s.X, s.Name("front"), "#");
            await s.PublishAsync(s.Name("front"), "k", "through");
            await s.PublishAsync(s.Name("front"), "other", "lost");
            await s.DrainAsync();
            await s.Channel.ExchangeUnbindAsync(s.X, s.Name("front"), "#");
            await s.PublishAsync(s.Name("front"), "k", "unbound");
            await s.DrainAsync();
        }),
        new("exchanges in a circle", async s =>
        {
            await Bound(s, "fanout", [""], []);
            await s.Channel.ExchangeDeclareAsync(s.Name("y"), "fanout");
            await s.Channel.ExchangeBindAsync(s.X, s.Name("y"), "");
            await s.Channel.ExchangeBindAsync(s.Name("y"), s.X, "");
            await s.PublishAsync(s.Name("y"), "", "once");
            await s.DrainAsync();
        }),
        new("an alternate exchange", async s =>
        {
            await Bound(s, "fanout", [""], []);
            await s.Channel.ExchangeDeclareAsync(
                s.Name("front"), "direct", arguments: new Dictionary<string, object?> { ["alternate-exchange"] = s.X });
            await s.PublishAsync(s.Name("front"), "nowhere", "alternate", mandatory: true);
            await s.DrainAsync(show: got => $"{Stage.Text(got)} {s.Plain(got.Exchange)} {got.RoutingKey}");
        }),
        new("an alternate exchange that is not there", s => s.TryAsync(async c =>
        {
            await c.ExchangeDeclareAsync(
                s.X, "direct", arguments: new Dictionary<string, object?> { ["alternate-exchange"] = s.Name("none") });
            await s.PublishAsync(s.X, "k", "lost");
            await c.ExchangeDeclarePassiveAsync(s.X);
        })),
        new("an alternate exchange that is no name", s => s.TryAsync(c => c.ExchangeDeclareAsync(
            s.X, "direct", arguments: new Dictionary<string, object?> { ["alternate-exchange"] = 5 }))),
        new("an internal exchange is not published to", s => s.ClosedByAsync(async c =>
        {
            await c.ExchangeDeclareAsync(s.X, "fanout", false, false, null, passive: false, noWait: false);
            await s.PublishAsync("amq.rabbitmq.trace", "k", "m", channel: c);
        })),
        new("copies by header", async s =>
        {
            foreach (string queue in (string[])["q", "cc", "bcc"])
                await s.DeclareAsync(s.Name(queue));
            await s.PublishAsync("", s.Q, "m", p => p.Headers = new Dictionary<string, object?>
            {
                ["CC"] = new List<object?> { s.Name("cc") }, ["BCC"] = new List<object?> { s.Name("bcc") },
            });
            foreach (string queue in (string[])["q", "cc", "bcc"])
                await s.DrainAsync(s.Name(queue), got => $"{Stage.Text(got)} "
                    + $"{string.Join(',', got.BasicProperties.Headers!.Keys)} {s.Plain(got.RoutingKey)}");
        }),
        new("a copy header of the wrong type", s => s.ClosedByAsync(c =>
            s.PublishAsync("", s.Q, "m", p => p.Headers = new Dictionary<string, object?> { ["CC"] = 1 }, channel: c))),
    ];

    private static async Task Bound(Stage s, string type, string[] bindings, string[] keys)
    {
        await s.DeclareAsync();
        await s.Channel.ExchangeDeclareAsync(s.X, type);
        foreach (string key in bindings)
            await s.Channel.QueueBindAsync(s.Q, s.X, key);
        foreach (string key in keys)
            await s.PublishAsync(s.X, key, key);
        await s.DrainAsync();
    }
}
