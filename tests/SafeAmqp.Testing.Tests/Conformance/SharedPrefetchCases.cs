namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>A prefetch that all consumers of a channel share, and the last declared queue of a channel.</summary>
internal static class SharedPrefetchCases
{
    public static IEnumerable<Case> All =>
    [
        new("a prefetch per channel that is raised lets those that wait go on", async s =>
        {
            await FillAsync(s, s.Q, 4);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox inbox = await s.ConsumeAsync();
            s.Note(await inbox.TextAsync());
            await s.Channel.BasicQosAsync(0, 3, global: true);
            s.Note(await inbox.TextAsync());
            s.Note(await inbox.TextAsync());
            s.Note(await s.Channel.MessageCountAsync(s.Q));
        }),
        new("a prefetch per channel that is taken away lets all go", async s =>
        {
            await FillAsync(s, s.Q, 4);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox inbox = await s.ConsumeAsync();
            s.Note(await inbox.TextAsync());
            await s.Channel.BasicQosAsync(0, 0, global: true);
            for (int i = 1; i < 4; i++)
                s.Note(await inbox.TextAsync());
        }),
        new("a prefetch per consumer takes the one per channel away", async s =>
        {
            await FillAsync(s, s.Q, 4);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox inbox = await s.ConsumeAsync();
            s.Note(await inbox.TextAsync());
            await s.Channel.BasicQosAsync(0, 2, global: false);
            for (int i = 1; i < 4; i++)
                s.Note(await inbox.TextAsync());
        }),
        new("a prefetch per channel that is lowered below what is out waits", async s =>
        {
            await FillAsync(s, s.Q, 6);
            await s.Channel.BasicQosAsync(0, 3, global: true);
            Inbox inbox = await s.ConsumeAsync();
            var tags = new List<ulong>();
            for (int i = 0; i < 3; i++)
                tags.Add((await inbox.NextAsync()).DeliveryTag);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            await s.Channel.BasicAckAsync(tags[0], false);
            await s.Channel.BasicAckAsync(tags[1], false);
            s.Note(await s.Channel.MessageCountAsync(s.Q));
            await s.Channel.BasicAckAsync(tags[2], false);
            s.Note(await inbox.TextAsync());
            s.Note(await s.Channel.MessageCountAsync(s.Q));
        }),
        .. new[] { "nack", "reject" }.Select(how => new Case(
            $"a {how} frees the prefetch per channel for another queue's consumer", async s =>
        {
            await FillAsync(s, s.Q, 1);
            await FillAsync(s, s.Name("other"), 1);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox first = await s.ConsumeAsync(), second = await s.ConsumeAsync(s.Name("other"));
            ulong tag = (await first.NextAsync()).DeliveryTag;
            s.Note(await s.Channel.MessageCountAsync(s.Name("other")));
            if (how == "nack")
                await s.Channel.BasicNackAsync(tag, false, requeue: false);
            else
                await s.Channel.BasicRejectAsync(tag, requeue: false);
            s.Note(await second.TextAsync());
        })),
        new("what a cancelled consumer has out counts for the prefetch per channel", async s =>
        {
            await FillAsync(s, s.Q, 1);
            await FillAsync(s, s.Name("other"), 2);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox first = await s.ConsumeAsync();
            ulong tag = (await first.NextAsync()).DeliveryTag;
            await s.Channel.BasicCancelAsync(first.Tag);
            Inbox second = await s.ConsumeAsync(s.Name("other"));
            s.Note(await s.Channel.MessageCountAsync(s.Name("other")));
            await s.Channel.BasicAckAsync(tag, false);
            s.Note(await second.TextAsync());
            s.Note(await s.Channel.MessageCountAsync(s.Name("other")));
        }),
        new("a prefetch per channel and one per consumer hold both", async s =>
        {
            await FillAsync(s, s.Q, 5);
            await FillAsync(s, s.Name("other"), 5);
            await s.Channel.BasicQosAsync(0, 2, global: false);
            await s.Channel.BasicQosAsync(0, 3, global: true);
            Inbox first = await s.ConsumeAsync();
            await Stage.UntilAsync(() => Task.FromResult(first.Waiting == 2));
            Inbox second = await s.ConsumeAsync(s.Name("other"));
            await Stage.UntilAsync(() => Task.FromResult(second.Waiting == 1));
            s.Note(await s.Channel.MessageCountAsync(s.Q));
            s.Note(await s.Channel.MessageCountAsync(s.Name("other")));
            await s.Channel.BasicAckAsync((await first.NextAsync()).DeliveryTag, false);
            await Stage.UntilAsync(() => Task.FromResult(first.Waiting + second.Waiting == 3));
            s.Note($"{first.Waiting <= 2} {second.Waiting <= 2}");
        }),
        new("a prefetch per channel binds no other channel and no get", async s =>
        {
            await FillAsync(s, s.Q, 4);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox first = await s.ConsumeAsync();
            s.Note(await first.TextAsync());
            s.Note(Stage.Text((await s.Channel.BasicGetAsync(s.Q, autoAck: false))!));
            await using IChannel channel = await s.NewChannelAsync();
            Inbox second = await s.ConsumeAsync(channel: channel);
            s.Note(await second.TextAsync());
            s.Note(await second.TextAsync());
        }),
        new("the last queue is the channel's own", s => s.TryAsync(async _ =>
        {
            await s.DeclareAsync();
            await using IChannel channel = await s.NewChannelAsync();
            await channel.QueueBindAsync("", "amq.direct", "k");
        })),
        new("the last queue is the one that was declared last, passively too", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync(s.Name("other"));
            await s.DeclareAsync();
            await c.QueueDeclarePassiveAsync(s.Name("other"));
            s.Note((await c.QueueDeclarePassiveAsync("")).QueueName);
        })),
        new("the last queue may have a name of the server's", s => s.TryAsync(async c =>
        {
            string queue = (await c.QueueDeclareAsync()).QueueName;
            await c.QueueBindAsync("", "amq.direct", "");
            await s.PublishAsync("amq.direct", queue, "its name");
            s.Note(await c.MessageCountAsync(queue));
            s.Note((await c.QueueDeclarePassiveAsync("")).QueueName == queue);
        })),
        new("the last queue is remembered after it was deleted", async s =>
        {
            await s.DeclareAsync();
            await s.Channel.QueueDeleteAsync(s.Q);
            await s.TryAsync(c => c.QueueBindAsync("", "amq.direct", "k"));
        }),
        new("the last queue is forgotten with its channel", async s =>
        {
            await s.DeclareAsync();
            await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Name("missing")));
            await s.TryAsync(c => c.QueuePurgeAsync(""));
        }),
        new("the last queue is unbound with a key of its own", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.QueueBindAsync(s.Q, "amq.direct", "k");
            await c.QueueUnbindAsync("", "amq.direct", "k");
            await s.PublishAsync("amq.direct", "k", "m");
            await s.DrainAsync();
        })),
        .. new[] { "bound", "unbound" }.Select(how => new Case($"the default exchange cannot be {how}", async s =>
        {
            await s.DeclareAsync();
            await s.TryAsync(c => how == "bound" ? c.QueueBindAsync(s.Q, "", s.Q) : c.QueueUnbindAsync(s.Q, "", s.Q));
            await s.TryAsync(c => how == "bound" ? c.ExchangeBindAsync("amq.fanout", "", "k")
                : c.ExchangeUnbindAsync("", "amq.fanout", "k"));
        })),
        .. new object?[] { "ANY", "all ", "any"u8.ToArray(), new List<object?> { "all" }, 1L }.Select(mode => new Case(
            $"a headers binding of an exchange that matches {Named(mode)}", async s =>
        {
            await s.Channel.ExchangeDeclareAsync(s.X, "headers", autoDelete: true);
            await s.Channel.ExchangeDeclareAsync(s.Name("to"), "fanout", autoDelete: true);
            var arguments = new Dictionary<string, object?> { ["x-match"] = mode, ["a"] = 1 };
            await s.TryAsync(c => c.ExchangeBindAsync(s.Name("to"), s.X, "", arguments));
            await s.TryAsync(c => c.ExchangeUnbindAsync(s.Name("to"), s.X, "", arguments));
            await s.TryAsync(c => c.ExchangeDeclarePassiveAsync(s.X));
        })),
        new("x-match means nothing to an exchange of another type", async s =>
        {
            await s.DeclareAsync();
            await s.TryAsync(c => c.QueueBindAsync(
                s.Q, "amq.direct", "k", new Dictionary<string, object?> { ["x-match"] = "nonsense" }));
            await s.PublishAsync("amq.direct", "k", "m");
            await s.DrainAsync();
        }),
    ];

    private static string Named(object? mode) => mode is string text ? $"'{text}'" : $"a {mode?.GetType().Name}";

    private static async Task FillAsync(Stage s, string queue, int count)
    {
        await s.DeclareAsync(queue);
        for (int i = 0; i < count; i++)
            await s.PublishAsync("", queue, $"{i}");
    }
}
