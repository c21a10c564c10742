namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Messages that a queue gives up, and what is written on them.</summary>
internal static class DeadLetterCases
{
    public static IEnumerable<Case> All =>
    [
        new(
            "dead letter: rejected",
            s => Dead(s, [], async () => { await s.PublishAsync("", s.Q, "m"); await RejectAsync(s); })),
        new("dead letter: expired", s => Dead(s, new() { ["x-message-ttl"] = 10 }, () => s.PublishAsync("", s.Q, "m"))),
        new(
            "dead letter: the message's own expiration is taken off",
            s => Dead(s, [], () => s.PublishAsync("", s.Q, "m", p => p.Expiration = "10"))),
        new("dead letter: too many", s => Dead(s, new() { ["x-max-length"] = 1 }, async () =>
        {
            await s.PublishAsync("", s.Q, "m");
            await s.PublishAsync("", s.Q, "n");
        })),
        new("dead letter: given back to a full queue", s => Dead(s, new() { ["x-max-length"] = 1 }, async () =>
        {
            await s.Channel.BasicQosAsync(0, 1, false);
            Inbox inbox = await s.ConsumeAsync();
            await s.PublishAsync("", s.Q, "1");
            ulong first = (await inbox.NextAsync()).DeliveryTag;
            await s.PublishAsync("", s.Q, "2");
            await s.Channel.BasicNackAsync(first, false, requeue: true);
            s.Note(await inbox.TextAsync());
        })),
        new("dead letter: given back by a channel that ends", s => Dead(s, new() { ["x-max-length"] = 1 }, async () =>
        {
            IChannel other = await s.NewChannelAsync();
            Inbox lost = await s.ConsumeAsync(channel: other);
            await s.PublishAsync("", s.Q, "1");
            await s.PublishAsync("", s.Q, "2");
            s.Note($"{await lost.TextAsync()} {await lost.TextAsync()}");
            await s.Channel.BasicQosAsync(0, 1, false);
            Inbox heir = await s.ConsumeAsync();
            await other.CloseAsync();
            s.Note(await heir.TextAsync());
        })),
        new("dead letter: refused", s => Dead(
            s,
            new() { ["x-max-length"] = 0, ["x-overflow"] = "reject-publish-dlx" },
            () => s.TryAsync(() => s.PublishAsync("", s.Q, "m")))),
        new("dead letter: with its own routing key", async s =>
        {
            await s.Channel.ExchangeDeclareAsync(s.X, "fanout");
            await s.DeclareAsync(s.Name("dead"));
            await s.Channel.QueueBindAsync(s.Name("dead"), s.X, "");
            await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = s.X });
            await s.PublishAsync("", s.Q, "m", p => p.Headers = new Dictionary<string, object?> { ["mine"] = "kept" });
            await RejectAsync(s);
            await ShowAsync(s);
        }),
        new("dead letter: through two queues", async s =>
        {
            await s.DeclareAsync(s.Name("dead"));
            await s.DeclareAsync(s.Name("second"), new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = s.Name("dead"),
                ["x-message-ttl"] = 5
            });
            await s.DeclareAsync(arguments: new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = s.Name("second")
            });
            await s.PublishAsync("", s.Q, "m");
            await RejectAsync(s);
            await ShowAsync(s);
        }),
        new("dead letter: the same queue counts up", async s =>
        {
            await s.DeclareAsync(s.Name("wait"), new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = s.Q,
                ["x-message-ttl"] = 5
            });
            await s.DeclareAsync(arguments: new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = s.Name("wait")
            });
            await s.PublishAsync("", s.Q, "m");
            for (int i = 0; i < 3; i++)
            {
                await s.UntilCountAsync(1);
                await RejectAsync(s);
            }
            await s.UntilCountAsync(1);
            await s.DrainAsync(show: got => Show(s, got));
        }),
        new("dead letter: a circle without a rejection ends", async s =>
        {
            await s.DeclareAsync(arguments: new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = s.Q,
                ["x-message-ttl"] = 5
            });
            await s.PublishAsync("", s.Q, "m");
            await s.UntilCountAsync(0);
            await s.DrainAsync();
        }),
        .. new (string Name, Func<Stage, Dictionary<string, object?>> Headers)[]
        {
            ("an x-death of its queue", s => new() { ["x-death"] = Death(s.Q) }),
            ("an x-death of elsewhere", _ => new() { ["x-death"] = Death("elsewhere") }),
            ("an x-death that is none", _ => new() { ["x-death"] = "text" }),
            ("an x-death of nothing", _ => new() { ["x-death"] = new List<object?>() }),
            ("blind copies to no queue", _ => new() { ["BCC"] = new List<object?>() }),
            ("copies and a death of its queue", s => new()
            {
                ["x-death"] = Death(s.Q),
                ["CC"] = new List<object?> { s.Name("nowhere") },
                ["BCC"] = new List<object?> { s.Name("nowhere"), s.Name("nowhere") },
            }),
            ("a first death", _ => Death("first", "mine")),
            ("a last death", _ => Death("last", "mine")),
            ("a delivery count", _ => new() { ["x-delivery-count"] = 7 }),
        }.SelectMany(given => new[] { "classic", "quorum" }.Select(type =>
            new Case($"dead letter: published with {given.Name} to a {type} queue", s =>
                PublishedAsync(s, type, given.Headers(s))))),
        new("dead letter: published again with what the broker wrote", async s =>
        {
            await DeclareDeadAsync(s);
            await s.PublishAsync("", s.Q, "m");
            for (int i = 0; i < 2; i++)
            {
                await RejectAsync(s);
                await s.UntilCountAsync(1, s.Name("dead"));
                BasicGetResult dead = (await s.Channel.BasicGetAsync(s.Name("dead"), true))!;
                s.Note(Show(s, dead));
                await s.Channel.BasicPublishAsync("", s.Q, false, new BasicProperties(dead.BasicProperties), dead.Body);
            }
        }),
        new("dead letter: copies and blind copies, with a routing key of its own", s => CopiesAsync(s, own: true)),
        new("dead letter: copies and blind copies, without a routing key of its own", s => CopiesAsync(s, own: false)),
        new("dead letter: headers of any depth are kept", async s =>
        {
            await s.DeclareAsync(s.Name("dead"));
            await s.DeclareAsync(arguments: new Dictionary<string, object?>
            {
                ["x-dead-letter-exchange"] = "",
                ["x-dead-letter-routing-key"] = s.Name("dead")
            });
            await s.PublishAsync("", s.Q, "m", p => p.Headers = PublishCases.Nested(200));
            await RejectAsync(s);
            await s.UntilCountAsync(1, s.Name("dead"));
            await s.DrainAsync(s.Name("dead"), got => $"{PublishCases.Innermost(got.BasicProperties.Headers!)} "
                + $"{got.BasicProperties.Headers!.ContainsKey("x-death")}");
        }),
        new("dead letter: an exchange that is not there", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-dead-letter-exchange", s.X));
            await s.PublishAsync("", s.Q, "m");
            await RejectAsync(s);
            await s.DrainAsync();
        }),
        new("dead letter: purged messages are not", s => NotDead(s, c => c.QueuePurgeAsync(s.Q))),
        new("dead letter: deleted messages are not", s => NotDead(s, c => c.QueueDeleteAsync(s.Q))),
        .. new[] { "classic", "quorum" }.Select(type => new Case(
            $"dead letter: rejected after its {type} queue was deleted", async s =>
        {
            await DeclareDeadAsync(s, type);
            await s.PublishAsync("", s.Q, "m");
            await s.UntilCountAsync(1);
            BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, false))!;
            await s.Channel.QueueDeleteAsync(s.Q);
            await s.Channel.BasicRejectAsync(got.DeliveryTag, false);
            await s.DrainAsync(s.Name("dead"));
        })),
    ];

    private static List<object?> Death(string queue) =>
    [
        new Dictionary<string, object?>
        {
            ["count"] = 5L,
            ["queue"] = queue,
            ["reason"] = "rejected",
            ["exchange"] = "",
            ["routing-keys"] = new List<object?> { "k" },
        },
    ];

    private static Dictionary<string, object?> Death(string which, string value) => new()
    {
        [$"x-{which}-death-queue"] = value,
        [$"x-{which}-death-reason"] = value,
        [$"x-{which}-death-exchange"] = value,
    };

    private static async Task DeclareDeadAsync(Stage s, string type = "classic")
    {
        await s.DeclareAsync(s.Name("dead"));
        await s.DeclareAsync(arguments: new Dictionary<string, object?>
        {
            ["x-queue-type"] = type,
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = s.Name("dead"),
        }, durable: true);
    }

    private static async Task PublishedAsync(Stage s, string type, Dictionary<string, object?> headers)
    {
        await DeclareDeadAsync(s, type);
        await s.PublishAsync("", s.Q, "m", p => p.Headers = headers);
        await s.UntilCountAsync(1);
        BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, false))!;
        s.Note(PublishCases.Show(got.BasicProperties.Headers));
        await s.Channel.BasicRejectAsync(got.DeliveryTag, false);
        await s.UntilCountAsync(1, s.Name("dead"));
        BasicGetResult dead = (await s.Channel.BasicGetAsync(s.Name("dead"), true))!;
        // What the publisher itself wrote has no time; what the broker wrote has one.
        foreach (object? death in (IList<object?>)dead.BasicProperties.Headers!["x-death"]!)
            s.Note(((IDictionary<string, object?>)death!).Remove("time"));
        s.Note(PublishCases.Show(dead.BasicProperties.Headers));
    }

    private static async Task CopiesAsync(Stage s, bool own)
    {
        await s.Channel.ExchangeDeclareAsync(s.X, "direct", autoDelete: true);
        foreach (string key in new[] { "own", "copied", "blind", s.Q })
        {
            await s.DeclareAsync(s.Name(key + "-dead"));
            await s.Channel.QueueBindAsync(s.Name(key + "-dead"), s.X, key);
        }
        var arguments = new Dictionary<string, object?> { ["x-dead-letter-exchange"] = s.X };
        if (own)
            arguments["x-dead-letter-routing-key"] = "own";
        await s.DeclareAsync(arguments: arguments);
        await s.PublishAsync("", s.Q, "m", p => p.Headers = new Dictionary<string, object?>
        {
            ["CC"] = new List<object?> { "copied" },
            ["BCC"] = new List<object?> { "blind" },
        });
        await RejectAsync(s);
        await s.UntilCountAsync(1, s.Name((own ? "own" : s.Q) + "-dead"));
        foreach (string key in new[] { "own", "copied", "blind", s.Q })
            await s.DrainAsync(s.Name(key + "-dead"), got => Show(s, got));
    }

    private static async Task Dead(Stage s, Dictionary<string, object?> arguments, Func<Task> act)
    {
        await s.DeclareAsync(s.Name("dead"));
        arguments["x-dead-letter-exchange"] = "";
        arguments["x-dead-letter-routing-key"] = s.Name("dead");
        await s.DeclareAsync(arguments: arguments);
        await act();
        await ShowAsync(s);
    }

    private static async Task NotDead(Stage s, Func<IChannel, Task> act)
    {
        await s.DeclareAsync(s.Name("dead"));
        await s.DeclareAsync(arguments: new Dictionary<string, object?>
        {
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = s.Name("dead")
        });
        await s.PublishAsync("", s.Q, "m");
        await act(s.Channel);
        await s.DrainAsync(s.Name("dead"));
    }

    private static async Task RejectAsync(Stage s)
    {
        BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, false))!;
        await s.Channel.BasicRejectAsync(got.DeliveryTag, false);
    }

    private static async Task ShowAsync(Stage s)
    {
        await s.UntilCountAsync(1, s.Name("dead"));
        await s.DrainAsync(s.Name("dead"), got => Show(s, got));
    }

    public static string Show(Stage s, BasicGetResult got)
    {
        var headers = new Dictionary<string, object?>(got.BasicProperties.Headers!);
        foreach (object? death in (IList<object?>)headers["x-death"]!)
            if (!((IDictionary<string, object?>)death!).Remove("time"))
                s.Note("no time");
        return s.Plain($"{Stage.Text(got)} exchange {got.Exchange} key {got.RoutingKey} "
            + $"expiration {got.BasicProperties.Expiration} {PublishCases.Show(headers)}");
    }
}
