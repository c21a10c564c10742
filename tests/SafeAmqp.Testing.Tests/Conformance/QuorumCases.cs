using static TestSupport.Wire.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// Quorum queues: what counts as a return, what becomes of a message that returned too often, priorities, limits.
/// </summary>
internal static class QuorumCases
{
    public static IEnumerable<Case> All =>
    [
        new("quorum: nacked for ever", s => ReturnedAsync(s, null, (c, tag) => c.BasicNackAsync(tag, false, true))),
        new("quorum: rejected for ever", s => ReturnedAsync(s, null, (c, tag) => c.BasicRejectAsync(tag, true))),
        .. new object[] { 0, 2, -1, -2, "text" }.Select(limit =>
            new Case($"quorum: nacked with limit {limit}", s =>
                ReturnedAsync(s, limit, (c, tag) => c.BasicNackAsync(tag, false, true)))),
        new("quorum: rejected with limit 2", s => ReturnedAsync(s, 2, (c, tag) => c.BasicRejectAsync(tag, true))),
        new("quorum: a lost channel counts as a return", LostChannelsAsync),
        new("quorum: a message that dies in the second queue", TwoQueuesAsync),
        new("quorum: a limit and a circle", async s =>
        {
            await DeclareAsync(
                s, ("x-delivery-limit", 1), ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", s.Q));
            await s.PublishAsync("", s.Q, "m");
            for (int i = 0; i < 2; i++)
                await s.Channel.BasicNackAsync((await NextAsync(s)).DeliveryTag, false, true);
            await s.UntilCountAsync(0);
            await s.DrainAsync();
        }),
        .. new int?[] { null, -1, 5 }.Select(limit =>
            new Case($"quorum: returned forwards with limit {limit}", s => OrderAsync(s, limit))),
        .. from how in new[] { "nack", "recover", "close", "loss" }
           from limit in new int?[] { null, 5 }
           select new Case(
               $"quorum: three returned by a {how} with limit {limit}", s => ReturnedTogetherAsync(s, how, limit)),
        .. new[] { (true, false), (false, true), (true, true) }.Select(flags => new Case(
            $"quorum: deleted if unused {flags.Item1}, if empty {flags.Item2}", async s =>
        {
            await DeclareAsync(s);
            await s.TryAsync(c => c.QueueDeleteAsync(s.Q, ifUnused: flags.Item1, ifEmpty: flags.Item2));
            await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q));
        })),
        new("quorum: priorities take turns", s => PrioritiesAsync(s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200)),
        new("quorum: no priority is a low one", s => PrioritiesAsync(s, null, null, null, 4, 5, 6, 7)),
        new("quorum: only high priorities", s => PrioritiesAsync(s, 9, 8, 7, 6, 5)),
        new("quorum: high priorities that came before a low one", s => PrioritiesAsync(s, 9, 9, 9, 0)),
        new("quorum: a low priority that was given back without a limit", async s =>
        {
            await DeclareAsync(s, ("x-delivery-limit", -1));
            await PublishAsync(s, 0, 9, 9, 9, 9);
            BasicGetResult[] got = [await NextAsync(s), await NextAsync(s), await NextAsync(s)];
            foreach (BasicGetResult one in got)
                s.Note(Stage.Text(one));
            await s.Channel.BasicNackAsync(got[2].DeliveryTag, false, true);
            // Its confirm comes after the return, which has no answer.
            await s.PublishAsync("", s.Q, "last");
            await s.DrainAsync();
        }),
        new("quorum: a message behind one of high priority that stays does not go before it", async s =>
        {
            await DeclareAsync(s);
            await s.PublishAsync("", s.Q, "stays", p => p.Priority = 9);
            await s.PublishAsync("", s.Q, "old", p => p.Expiration = "1");
            await s.DeclareAsync(s.Name("clock"), ArgumentCases.Table("x-message-ttl", 30));
            await s.PublishAsync("", s.Name("clock"), "tick");
            await s.UntilCountAsync(0, s.Name("clock"));
            s.Note((await s.Channel.BasicGetAsync(s.Q, true)) is { } got ? Stage.Text(got) : "empty");
            s.Note((await s.Channel.BasicGetAsync(s.Q, true)) is { } late ? Stage.Text(late) : "empty");
        }),
        new("quorum: a returned message goes before priorities", async s =>
        {
            await DeclareAsync(s);
            await PublishAsync(s, 0, 1, 5, 6, 7, 8);
            BasicGetResult got = await NextAsync(s);
            s.Note(Stage.Text(got));
            BasicGetResult second = await NextAsync(s), third = await NextAsync(s);
            s.Note($"{Stage.Text(second)} {Stage.Text(third)}");
            await s.Channel.BasicNackAsync(third.DeliveryTag, false, true);
            await s.UntilCountAsync(4);
            await s.DrainAsync();
        }),
        new("quorum: what a full queue of priorities drops", async s =>
        {
            await DeclareAsync(s, ("x-max-length", 3));
            foreach (byte priority in new byte[] { 1, 7, 2, 8, 3, 9 })
                await s.PublishAsync("", s.Q, $"{priority}", p => p.Priority = priority);
            await s.UntilCountAsync(3);
            await s.DrainAsync();
        }),
        .. new[] { "drop-head", "reject-publish", "reject-publish-dlx" }.Select(overflow =>
            new Case($"quorum: full with {overflow}", s => FullAsync(s, overflow))),
        new("quorum: full of octets refuses", async s =>
        {
            await DeclareAsync(s, ("x-max-length-bytes", 10), ("x-overflow", "reject-publish"));
            foreach (string body in new[] { "12345", "67890", "abc", "def" })
                await s.TryAsync(() => s.PublishAsync("", s.Q, body));
        }),
        new("quorum: full, and room again", async s =>
        {
            await DeclareAsync(s, ("x-max-length", 10), ("x-overflow", "reject-publish"));
            for (int i = 0; i < 12; i++)
                await s.TryAsync(() => s.PublishAsync("", s.Q, $"{i}"));
            for (uint left = 10; left >= 7; left--)
            {
                await s.Channel.BasicGetAsync(s.Q, true);
                await s.UntilCountAsync(left);
                if (left < 9)
                    continue;
                await s.TryAsync(() => s.PublishAsync("", s.Q, "m"));
            }
            await s.TryAsync(() => s.PublishAsync("", s.Q, "m"));
        }),
        new("quorum: a limit in octets drops", async s =>
        {
            await DeclareAsync(s, ("x-max-length-bytes", 10));
            foreach (string body in new[] { "12345", "67890", "abc", "this is too long", "d" })
                await s.PublishAsync("", s.Q, body);
            await s.UntilCountAsync(1);
            await s.DrainAsync();
        }),
        new("quorum: a limit per channel", s => s.TryAsync(async c =>
        {
            await DeclareAsync(s);
            await c.BasicQosAsync(0, 5, global: true);
            await c.BasicConsumeAsync(s.Q, false, new Inbox(c).Consumer);
        })),
        new("quorum: reading with a single active consumer", async s =>
        {
            await DeclareAsync(s, ("x-single-active-consumer", true));
            await s.PublishAsync("", s.Q, "m");
            await s.TryAsync(c => c.BasicGetAsync(s.Q, false));
        }),
        new("quorum: how many consumers there are, one of them active", async s =>
        {
            await DeclareAsync(s, ("x-single-active-consumer", true));
            s.Note(await s.Channel.ConsumerCountAsync(s.Q));
            for (int i = 0; i < 3; i++)
                await s.ConsumeAsync(channel: await s.NewChannelAsync());
            s.Note(await s.Channel.ConsumerCountAsync(s.Q));
        }),
        .. new[] { true, false }.Select(first => new Case(
            $"quorum: two consumers, the {(first ? "first" : "second")} exclusive", s => s.TryAsync(async _ =>
        {
            await DeclareAsync(s);
            await s.ConsumeAsync(exclusive: first);
            await s.ConsumeAsync(exclusive: !first);
        }))),
        new("quorum: an exclusive consumer where one is active", s => s.TryAsync(async _ =>
        {
            await DeclareAsync(s, ("x-single-active-consumer", true));
            await s.ConsumeAsync(exclusive: true);
        })),
        new("quorum: a single active consumer and one of higher priority", s => TakeOverAsync(s, holds: false)),
        new("quorum: a single active consumer settles before one of higher priority follows", s =>
            TakeOverAsync(s, holds: true)),
    ];

    private static async Task FullAsync(Stage s, string overflow)
    {
        await DeclareAsync(s, ("x-max-length", 2), ("x-overflow", overflow));
        for (int i = 0; i < 5; i++)
            await s.TryAsync(() => s.PublishAsync("", s.Q, $"{i}"));
        await s.UntilCountAsync(overflow == "reject-publish" ? 3u : 2u);
        await s.DrainAsync();
    }

    private static Task DeclareAsync(Stage s, params (string Name, object? Value)[] arguments) =>
        DeclareAsync(s, s.Q, arguments);

    private static Task DeclareAsync(Stage s, string queue, params (string Name, object? Value)[] arguments)
    {
        var table = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
        foreach ((string name, object? value) in arguments)
            table[name] = value;
        return s.DeclareAsync(queue, table, durable: true);
    }

    private static async Task<BasicGetResult> NextAsync(Stage s, string? queue = null, IChannel? channel = null)
    {
        await Stage.UntilAsync(async () => await s.Channel.MessageCountAsync(queue ?? s.Q) > 0);
        return (await (channel ?? s.Channel).BasicGetAsync(queue ?? s.Q, false))!;
    }

    private static async Task PublishAsync(Stage s, params byte?[] priorities)
    {
        for (int i = 0; i < priorities.Length; i++)
        {
            byte? priority = priorities[i];
            await s.PublishAsync("", s.Q, $"{i}:{priority}", p =>
            {
                if (priority is { } given)
                    p.Priority = given;
            });
        }
        await s.UntilCountAsync((uint)priorities.Length);
    }

    /// <summary>
    /// Gives a message back until it is gone or has come 24 times, and shows what reached the dead-letter queue.
    /// </summary>
    private static async Task ReturnedAsync(Stage s, object? limit, Func<IChannel, ulong, ValueTask> give)
    {
        await s.DeclareAsync(s.Name("dead"), durable: true);
        (string, object?)[] dead = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", s.Name("dead"))];
        await DeclareAsync(s, limit is null ? dead : [.. dead, ("x-delivery-limit", limit)]);
        await s.PublishAsync("", s.Q, "m");
        for (int i = 0; i < 24; i++)
        {
            await Stage.UntilAsync(async () =>
                await s.Channel.MessageCountAsync(s.Q) > 0 || await s.Channel.MessageCountAsync(s.Name("dead")) > 0);
            if (await s.Channel.BasicGetAsync(s.Q, false) is not { } got)
                break;
            object? count = null;
            got.BasicProperties.Headers?.TryGetValue("x-delivery-count", out count);
            s.Note($"{i} {got.Redelivered} {PublishCases.Show(count)}");
            await give(s.Channel, got.DeliveryTag);
        }
        await s.DrainAsync(s.Name("dead"), got => DeadLetterCases.Show(s, got));
    }

    private static async Task LostChannelsAsync(Stage s)
    {
        await DeclareAsync(s, ("x-delivery-limit", 2));
        await s.PublishAsync("", s.Q, "m");
        for (int i = 0; i < 3; i++)
        {
            await using IChannel channel = await s.NewChannelAsync();
            BasicGetResult got = await NextAsync(s, channel: channel);
            object? count = null;
            got.BasicProperties.Headers?.TryGetValue("x-delivery-count", out count);
            s.Note($"{got.Redelivered} {PublishCases.Show(count)}");
            await channel.CloseAsync();
        }
        await s.UntilCountAsync(0);
        await s.DrainAsync();
    }

    private static async Task TwoQueuesAsync(Stage s)
    {
        await DeclareAsync(s, s.Name("second"));
        await DeclareAsync(s, ("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", s.Name("second")));
        await s.PublishAsync("", s.Q, "m");
        await s.Channel.BasicNackAsync((await NextAsync(s)).DeliveryTag, false, true);
        await s.Channel.BasicNackAsync((await NextAsync(s)).DeliveryTag, false, true);
        await s.Channel.BasicNackAsync((await NextAsync(s)).DeliveryTag, false, false);
        for (int i = 0; i < 2; i++)
        {
            BasicGetResult got = await NextAsync(s, s.Name("second"));
            s.Note(DeadLetterCases.Show(s, got));
            await s.Channel.BasicNackAsync(got.DeliveryTag, false, true);
        }
    }

    private static async Task OrderAsync(Stage s, int? limit)
    {
        await DeclareAsync(s, limit is { } given ? [("x-delivery-limit", given)] : []);
        for (int i = 0; i < 4; i++)
            await s.PublishAsync("", s.Q, $"{i}");
        BasicGetResult first = await NextAsync(s), second = await NextAsync(s);
        await s.Channel.BasicNackAsync(first.DeliveryTag, false, true);
        await s.Channel.BasicNackAsync(second.DeliveryTag, false, true);
        // Its confirm comes after the returns, which have no answer.
        await s.PublishAsync("", s.Q, "last");
        await s.DrainAsync();
    }

    /// <summary>Three of five go out to a consumer and come back at once.</summary>
    private static async Task ReturnedTogetherAsync(Stage s, string how, int? limit)
    {
        await DeclareAsync(s, limit is { } given ? [("x-delivery-limit", given)] : []);
        for (int i = 0; i < 5; i++)
            await s.PublishAsync("", s.Q, $"{i}");
        using RawClient client = await OpenAsync(s.Uri);
        s.Note(await client.CallAsync(1, 60, 10, [0, 0, 0, 0, 0, 3, 0]));
        s.Note(await client.CallAsync(1, 60, 20, [0, 0, .. ShortText(s.Q), .. ShortText("c"), 0, 0, 0, 0, 0]));
        for (int frame = 0; frame < 3 * 3; frame++)
            await client.NextAsync();
        s.Note(await client.CallAsync(1, 60, 30, [.. ShortText("c"), 0]));
        switch (how)
        {
            case "nack": await client.SendAsync(Method(1, 60, 120, [0, 0, 0, 0, 0, 0, 0, 3, 3])); break;
            case "recover": await client.SendAsync(Method(1, 60, 110, [1])); break;
            case "close": await client.SendAsync(Method(1, 20, 40, [0, 200, 0, 0, 0, 0, 0])); break;
            default: client.Dispose(); break;
        }
        await s.UntilCountAsync(5);
        await s.DrainAsync();
    }

    private static async Task PrioritiesAsync(Stage s, params byte?[] priorities)
    {
        await DeclareAsync(s);
        await PublishAsync(s, priorities);
        await s.DrainAsync();
    }

    private static async Task TakeOverAsync(Stage s, bool holds)
    {
        await DeclareAsync(s, ("x-single-active-consumer", true));
        await s.Channel.BasicQosAsync(0, 2, false);
        Inbox low = await s.ConsumeAsync(arguments: ArgumentCases.Table("x-priority", 1));
        await s.PublishAsync("", s.Q, "1");
        var first = await low.NextAsync();
        if (!holds)
            await s.Channel.BasicAckAsync(first.DeliveryTag, false);
        IChannel other = await s.NewChannelAsync();
        Inbox high = await s.ConsumeAsync(
            channel: other, autoAck: true, arguments: ArgumentCases.Table("x-priority", 5));
        await s.PublishAsync("", s.Q, "2");
        if (holds)
        {
            // Which one is active shows by which one gets the second message: none before the first is settled, or
            // the first consumer.
            await Stage.UntilAsync(async () => low.Waiting > 0 || await s.Channel.MessageCountAsync(s.Q) == 1);
            await s.Channel.BasicAckAsync(first.DeliveryTag, false);
        }
        await Stage.UntilAsync(() => Task.FromResult(low.Waiting + high.Waiting == 1));
        s.Note($"low {low.Waiting} high {high.Waiting}");
        if (low.Waiting > 0)
            await s.Channel.BasicAckAsync((await low.NextAsync()).DeliveryTag, false);
        else
            await high.NextAsync();
        // The queue has answered this; of a channel that closes it learns later.
        await other.BasicCancelAsync(high.Tag);
        await s.PublishAsync("", s.Q, "3");
        s.Note($"low {await low.TextAsync()}");
    }
}
