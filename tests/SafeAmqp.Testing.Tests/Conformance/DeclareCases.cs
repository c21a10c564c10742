namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// Exchanges and queues come and go; names and declarations that do not fit are refused with the same words.
/// </summary>
internal static class DeclareCases
{
    public static IEnumerable<Case> All =>
    [
        new("a queue is declared twice", s => Twice(
            s, c => c.QueueDeclareAsync(s.Q, false, false, false), c => c.QueueDeclareAsync(s.Q, false, false, false))),
        new("a queue is declared with another durable", s => Twice(
            s, c => c.QueueDeclareAsync(s.Q, false, false, false), c => c.QueueDeclareAsync(s.Q, true, false, false))),
        new("a queue is declared with another auto-delete", s => Twice(
            s, c => c.QueueDeclareAsync(s.Q, false, false, false), c => c.QueueDeclareAsync(s.Q, false, false, true))),
        new("a queue is declared with another exclusive", s => Twice(
            s, c => c.QueueDeclareAsync(s.Q, false, false, false), c => c.QueueDeclareAsync(s.Q, false, true, false))),
        new("an exclusive queue is declared as not exclusive", s => Twice(
            s, c => c.QueueDeclareAsync(s.Q, false, true, false), c => c.QueueDeclareAsync(s.Q, false, false, false))),
        new(
            "a passive declaration of a queue that is not there",
            s => s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q))),
        new(
            "a passive declaration of an exchange that is not there",
            s => s.TryAsync(c => c.ExchangeDeclarePassiveAsync(s.X))),
        new("a passive declaration counts messages and consumers", Counts),
        new(
            "a queue name with the reserved prefix",
            s => s.TryAsync(c => c.QueueDeclareAsync("amq." + s.Q, false, false, false))),
        new(
            "an exchange name with the reserved prefix",
            s => s.TryAsync(c => c.ExchangeDeclareAsync("amq." + s.X, "direct"))),
        new("an unknown exchange type", s => s.TryAsync(c => c.ExchangeDeclareAsync(s.X, "nonsense")))
        {
            TellsVersions = true,
        },
        new("the default exchange is declared", s => s.TryAsync(c => c.ExchangeDeclareAsync("", "direct"))),
        new("the default exchange is deleted", s => s.TryAsync(c => c.ExchangeDeleteAsync(""))),
        new("a system exchange is deleted", s => s.TryAsync(c => c.ExchangeDeleteAsync("amq.direct"))),
        new(
            "a system exchange is declared as it is",
            s => s.TryAsync(c => c.ExchangeDeclareAsync("amq.direct", "direct", durable: true))),
        new(
            "a system exchange is declared otherwise",
            s => s.TryAsync(c => c.ExchangeDeclareAsync("amq.direct", "fanout", durable: true))),
        new(
            "the default exchange is bound to",
            s => s.TryAsync(async c => { await s.DeclareAsync(); await c.QueueBindAsync(s.Q, "", "k"); })),
        new(
            "the default exchange is unbound from",
            s => s.TryAsync(async c => { await s.DeclareAsync(); await c.QueueUnbindAsync(s.Q, "", "k"); })),
        new(
            "an exchange is declared with another type",
            s => Twice(s, c => c.ExchangeDeclareAsync(s.X, "direct"), c => c.ExchangeDeclareAsync(s.X, "fanout"))),
        new("an exchange is declared with another durable", s => Twice(
            s, c => c.ExchangeDeclareAsync(s.X, "direct"), c => c.ExchangeDeclareAsync(s.X, "direct", durable: true))),
        new("an exchange is declared with another auto-delete", s => Twice(
            s,
            c => c.ExchangeDeclareAsync(s.X, "direct"),
            c => c.ExchangeDeclareAsync(s.X, "direct", autoDelete: true))),
        new("an exchange is declared with another alternate exchange", s => Twice(
            s, c => c.ExchangeDeclareAsync(s.X, "direct"),
            c => c.ExchangeDeclareAsync(
                s.X, "direct", arguments: new Dictionary<string, object?> { ["alternate-exchange"] = "other" }))),
        new(
            "a binding from an exchange that is not there",
            s => s.TryAsync(async c => { await s.DeclareAsync(); await c.QueueBindAsync(s.Q, s.X, "k"); })),
        new("a binding to a queue that is not there", s => s.TryAsync(c => c.QueueBindAsync(s.Q, "amq.direct", "k"))),
        new(
            "a binding to an exchange that is not there",
            s => s.TryAsync(c => c.ExchangeBindAsync(s.X, "amq.direct", "k"))),
        new(
            "an unbinding that never was",
            s => s.TryAsync(async c => { await s.DeclareAsync(); await c.QueueUnbindAsync(s.Q, "amq.direct", "k"); })),
        new(
            "an unbinding of a queue that is not there",
            s => s.TryAsync(c => c.QueueUnbindAsync(s.Q, "amq.direct", "k"))),
        new(
            "an unbinding from an exchange that is not there",
            s => s.TryAsync(async c => { await s.DeclareAsync(); await c.QueueUnbindAsync(s.Q, s.X, "k"); })),
        new(
            "an unbinding of an exchange that is not there",
            s => s.TryAsync(c => c.ExchangeUnbindAsync(s.X, "amq.direct", "k"))),
        new("a queue that is not there is deleted", s => s.TryAsync(async c => s.Note(await c.QueueDeleteAsync(s.Q)))),
        new("an exchange that is not there is deleted", s => s.TryAsync(c => c.ExchangeDeleteAsync(s.X))),
        new("a queue that is not there is purged", s => s.TryAsync(async c => s.Note(await c.QueuePurgeAsync(s.Q)))),
        new("deleting a queue says how many messages it had", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "1");
            await s.PublishAsync("", s.Q, "2");
            s.Note(await c.QueueDeleteAsync(s.Q));
        })),
        new("purging a queue says how many messages it had", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "1");
            s.Note(await c.QueuePurgeAsync(s.Q));
            await s.DrainAsync();
        })),
        new("purging leaves what is out", PurgeLeaves),
        new("a queue with messages is not deleted if-empty", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "1");
            await c.QueueDeleteAsync(s.Q, ifUnused: false, ifEmpty: true);
        })),
        new("a queue with a consumer is not deleted if-unused", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.ConsumeAsync();
            await c.QueueDeleteAsync(s.Q, ifUnused: true, ifEmpty: false);
        })),
        new("an exchange with a binding is not deleted if-unused", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.ExchangeDeclareAsync(s.X, "direct");
            await c.QueueBindAsync(s.Q, s.X, "k");
            await c.ExchangeDeleteAsync(s.X, ifUnused: true);
        })),
        new("an auto-delete exchange goes with its last binding", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.ExchangeDeclareAsync(s.X, "direct", autoDelete: true);
            await c.QueueBindAsync(s.Q, s.X, "k");
            await c.QueueUnbindAsync(s.Q, s.X, "k");
            await c.ExchangeDeclarePassiveAsync(s.X);
        })),
        new("an auto-delete exchange goes with its queue", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.ExchangeDeclareAsync(s.X, "direct", autoDelete: true);
            await c.QueueBindAsync(s.Q, s.X, "k");
            await c.QueueDeleteAsync(s.Q);
            await c.ExchangeDeclarePassiveAsync(s.X);
        })),
        new("an auto-delete exchange without bindings stays", s => s.TryAsync(async c =>
        {
            await c.ExchangeDeclareAsync(s.X, "direct", autoDelete: true);
            await c.ExchangeDeclarePassiveAsync(s.X);
        })),
        new("an auto-delete queue goes with its last consumer", s => s.TryAsync(async c =>
        {
            await c.QueueDeclareAsync(s.Q, false, false, true);
            Inbox i = await s.ConsumeAsync();
            await c.BasicCancelAsync(i.Tag);
            await c.QueueDeclarePassiveAsync(s.Q);
        })),
        new("an auto-delete queue without consumers stays", s => s.TryAsync(
            async c => { await c.QueueDeclareAsync(s.Q, false, false, true); await c.QueueDeclarePassiveAsync(s.Q); })),
        new("a server-named queue", ServerNamed),
        new("an empty name means the last queue", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.QueueBindAsync("", "amq.direct", s.Q);
            await s.PublishAsync("amq.direct", s.Q, "m");
            await s.DrainAsync();
        })),
        new("an empty name and an empty key mean the last queue", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.QueueBindAsync("", "amq.direct", "");
            await s.PublishAsync("amq.direct", s.Q, "its name");
            await s.PublishAsync("amq.direct", "", "nothing");
            await s.DrainAsync();
            await c.QueueUnbindAsync("", "amq.direct", "");
            await s.PublishAsync("amq.direct", s.Q, "its name");
            await s.DrainAsync();
        })),
        new("an empty key of a named queue is an empty key", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.QueueBindAsync(s.Q, "amq.direct", "");
            await s.PublishAsync("amq.direct", s.Q, "its name");
            await s.PublishAsync("amq.direct", "", "nothing");
            await s.DrainAsync();
        })),
        .. new (string What, Func<IChannel, Task> Do)[]
        {
            ("passively declared", c => c.QueueDeclarePassiveAsync("")),
            ("read", c => c.BasicGetAsync("", true)),
            ("consumed", c => c.BasicConsumeAsync("", true, new Inbox(c).Consumer)),
            ("purged", c => c.QueuePurgeAsync("")),
            ("deleted", c => c.QueueDeleteAsync("")),
        }.SelectMany(form => new[] { "after", "without" }.Select(when =>
            new Case($"an empty name is {form.What} {when} a queue", async s =>
            {
                if (when == "after")
                    await s.DeclareAsync();
                await s.TryAsync(form.Do);
                await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q));
            }))),
        new("an empty name without a queue before", s => s.TryAsync(c => c.QueueBindAsync("", "amq.direct", "k"))),
        new("an exclusive queue is locked for others", s => Locked(s, (c, q) => c.QueueDeclarePassiveAsync(q))),
        new(
            "an exclusive queue is not consumed by others",
            s => Locked(s, (c, q) => c.BasicConsumeAsync(q, true, new Inbox(c).Consumer))),
        new("an exclusive queue is not read by others", s => Locked(s, (c, q) => c.BasicGetAsync(q, true))),
        new(
            "an exclusive queue is not bound by others",
            s => Locked(s, (c, q) => c.QueueBindAsync(q, "amq.direct", "k"))),
        new("an exclusive queue is not purged by others", s => Locked(s, (c, q) => c.QueuePurgeAsync(q))),
        new("an exclusive queue is not deleted by others", s => Locked(s, (c, q) => c.QueueDeleteAsync(q))),
        new("an exclusive queue takes messages from others", ExclusiveTakes),
        new("an exclusive queue goes with its connection", ExclusiveGoes),
        new("names lose their line ends", s =>
            s.TryAsync(async c => s.Note((await c.QueueDeclareAsync(s.Q + "\r\nx", false, false, false)).QueueName))),
    ];

    private static async Task Twice(Stage s, Func<IChannel, Task> first, Func<IChannel, Task> second)
    {
        await s.TryAsync(first);
        await s.TryAsync(second);
    }

    private static async Task Counts(Stage s)
    {
        await s.DeclareAsync();
        await s.PublishAsync("", s.Q, "1");
        await s.UntilCountAsync(1);
        QueueDeclareOk before = await s.Channel.QueueDeclarePassiveAsync(s.Q);
        s.Note($"{before.MessageCount} {before.ConsumerCount}");
        Inbox inbox = await s.ConsumeAsync();
        await inbox.NextAsync();
        QueueDeclareOk after = await s.Channel.QueueDeclarePassiveAsync(s.Q);
        s.Note($"{after.MessageCount} {after.ConsumerCount}");
    }

    private static async Task PurgeLeaves(Stage s)
    {
        await s.DeclareAsync();
        await s.PublishAsync("", s.Q, "1");
        await s.PublishAsync("", s.Q, "2");
        BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, false))!;
        s.Note(await s.Channel.QueuePurgeAsync(s.Q));
        await s.Channel.BasicNackAsync(got.DeliveryTag, false, true);
        await s.DrainAsync();
    }

    private static async Task ServerNamed(Stage s)
    {
        QueueDeclareOk ok = await s.Channel.QueueDeclareAsync("", false, true, true);
        s.Note(ok.QueueName.StartsWith("amq.gen-", StringComparison.Ordinal));
        s.Note(ok.QueueName.Length);
        await s.TryAsync(
            c => c.QueueDeclareAsync(ok.QueueName, false, true, true).ContinueWith(_ => { }, TaskScheduler.Default));
    }

    private static async Task Locked(Stage s, Func<IChannel, string, Task> action)
    {
        IConnection other = await s.ConnectAsync();
        await using IChannel owner = await other.CreateChannelAsync();
        await owner.QueueDeclareAsync(s.Q, false, true, false);
        await s.TryAsync(c => action(c, s.Q));
    }

    private static async Task ExclusiveTakes(Stage s)
    {
        IConnection other = await s.ConnectAsync();
        await using IChannel owner = await other.CreateChannelAsync();
        await owner.QueueDeclareAsync(s.Q, false, true, false);
        Inbox inbox = await s.ConsumeAsync(channel: owner);
        await s.PublishAsync("", s.Q, "in");
        s.Note(await inbox.TextAsync());
    }

    private static async Task ExclusiveGoes(Stage s)
    {
        IConnection other = await s.ConnectAsync();
        IChannel owner = await other.CreateChannelAsync();
        await owner.QueueDeclareAsync(s.Q, false, true, false);
        await other.CloseAsync();
        await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q));
    }
}
